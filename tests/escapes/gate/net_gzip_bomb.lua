-- attack: gets 50 MB in an answer of a few KB
-- expect: error too_large
-- limits: time=5, memory=64MB
-- allow: net:{server}

local reply = http.get("http://{server}/gzip")
print("ESCAPED with " .. #reply.body)
