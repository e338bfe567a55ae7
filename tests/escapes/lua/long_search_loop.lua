-- attack: has each step of a loop match a pattern that takes a tenth of a second in a short text
-- expect: limit time
-- limits: time=0.15

local s = ("a"):rep(1000)
for _ = 1, 1e5 do end
while true do s:find(".-.-b") end
print("ESCAPED")
