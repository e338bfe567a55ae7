-- attack: has each step of a loop format ten million bytes
-- expect: limit time | limit memory
-- limits: time=0.15

local s = ("x"):rep(1e7)
for _ = 1, 1e5 do end
while true do string.format("%s", s) end
print("ESCAPED")
