-- attack: has each step of a loop move two million items
-- expect: limit time
-- limits: time=0.3

local t = {}
for i = 1, 1e6 do t[i] = 1 end
while true do
  table.insert(t, 1, 1)
  table.remove(t, 1)
end
print("ESCAPED")
