-- attack: has a redirect carry credentials to another origin
-- expect: error denied
-- allow: net:{server}

-- The other origin is not granted, so the request must end before anything is sent there.
local reply = http.get("http://{server}/redirect?to=http%3A%2F%2Flocalhost%3A1%2F", { Authorization = "Bearer x", Cookie = "a=b" })
print("ESCAPED with " .. reply.status)
