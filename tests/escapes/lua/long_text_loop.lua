-- attack: has each step of a loop turn ten million bytes around
-- expect: limit time | limit memory
-- limits: time=0.15

local s = ("x"):rep(1e7)
for _ = 1, 1e5 do end
while true do s:reverse() end
print("ESCAPED")
