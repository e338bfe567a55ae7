-- attack: sends a header of a megabyte
-- expect: ok false | ok true | error unreachable | error malformed | error too_large | error bad_argument | limit time
-- allow: net:{server}

local reply = http.get("http://{server}/echo", { ["X-Long"] = ("h"):rep(1000000) })
if #reply.body > 2000000 then print("ESCAPED") end
return reply.ok
