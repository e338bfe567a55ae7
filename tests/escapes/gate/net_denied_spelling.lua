-- attack: reaches a host that is taken away again by another spelling of its address
-- expect: error denied
-- allow: net:127.1, !net:127.0.0.1

local port = ("{server}"):match(":(%d+)$")
local reply = http.get("http://127.1:" .. port .. "/")
print("ESCAPED with " .. reply.status)
