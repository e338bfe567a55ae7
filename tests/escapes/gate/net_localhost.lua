-- attack: uses names of the loopback address, with a dot and in capitals
-- expect: ok "held"
-- limits: time=4, memory=64MB
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
for _, host in ipairs({ "localhost", "localhost.", "LOCALHOST", "LocalHost.", "localhost..", "x.localhost", "ip6-localhost", "localhost6" }) do
  local ok, e = pcall(http.request, "http://" .. host .. ":" .. port .. "/", { timeout = 0.2 })
  if ok then print("ESCAPED " .. host) end
  -- A name that does not resolve on this machine is out of reach as well.
  if not ok and e.code ~= "denied" and e.code ~= "unreachable" and e.code ~= "timeout" and e.code ~= "bad_argument" then return e.message end
end
return "held"
