-- attack: collects garbage for ever: each step of the loop takes long, and the clock is read after many
-- expect: limit time
-- limits: time=0.3

local t = {}
for i = 1, 5e5 do t[i] = {} end
while true do collectgarbage() end
print("ESCAPED")
