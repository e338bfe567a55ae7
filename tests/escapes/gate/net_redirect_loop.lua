-- attack: is redirected for ever
-- expect: error malformed: more than 10 redirects
-- allow: net:{server}

local reply = http.get("http://{server}/loop")
print("ESCAPED with " .. reply.status)
