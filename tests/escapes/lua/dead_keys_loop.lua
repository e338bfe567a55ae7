-- attack: has each step of a loop pass over half a million removed keys
-- expect: limit time
-- limits: time=0.3

local t = {}
for i = 1, 2e5 do t[i + 0.5] = 1 end
for k in pairs(t) do t[k] = nil end
t.last = 1
while true do next(t) end
print("ESCAPED")
