-- attack: calls itself in tail position for ever, through two functions
-- expect: limit time
-- limits: time=0.15

local ping, pong
function ping(...) return pong(...) end
function pong(...) return ping(...) end
pcall(ping, 1, 2, 3)
print("ESCAPED")
