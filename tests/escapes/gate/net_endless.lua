-- attack: gets an answer that never ends
-- expect: error too_large | limit time
-- limits: time=5, memory=64MB
-- allow: net:{server}

local reply = http.get("http://{server}/big")
print("ESCAPED with " .. #reply.body)
