-- attack: has each step of a loop write out 90000 values, the last of which cannot cross
-- expect: limit time
-- limits: time=0.15

local t = {}
for i = 1, 9e4 do t[i] = i end
t[#t + 1] = coroutine.create(print)
for _ = 1, 1e5 do end
while true do pcall(json.encode, t) end
print("ESCAPED")
