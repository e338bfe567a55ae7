-- attack: has each step of a loop join ten million bytes, by an operator
-- expect: limit time | limit memory
-- limits: time=0.15
-- only: isolated, because the clock is read after some thousand steps, which here take seconds

local s = ("x"):rep(1e7)
for _ = 1, 1e5 do end
while true do local _ = s .. "y" end
print("ESCAPED")
