-- attack: has each step of a loop look for the largest key of a million
-- expect: limit time
-- limits: time=0.3

local t = {}
for i = 1, 1e6 do t[i] = 1 end
while true do table.maxn(t) end
print("ESCAPED")
