-- attack: gets an answer with a header of 100 KB
-- expect: ok true | error malformed | error unreachable
-- allow: net:{server}

local reply = http.get("http://{server}/header")
if #(reply.headers["x-long"] or "") > 200000 then print("ESCAPED") end
return reply.ok
