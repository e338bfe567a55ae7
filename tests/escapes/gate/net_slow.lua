-- attack: gets an answer a byte at a time, with a timeout longer than its limit
-- expect: limit time
-- allow: net:{server}

local reply = http.request("http://{server}/slow", { timeout = 1e9 })
print("ESCAPED with " .. #reply.body)
