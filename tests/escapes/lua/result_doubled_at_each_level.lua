-- attack: sends lists whose items are in no order, one in another: written twice at every level, they would take for ever
-- expect: ok 1
-- limits: time=60

local t = {1}
for _ = 1, 30 do
  local outer = {}
  outer[3], outer[2], outer[1] = 3, 2, t
  t = outer
end
local began = os.clock()
json.encode(t)
t[5] = 1
pcall(json.encode, t)
if os.clock() - began > 10 then print("ESCAPED") end
return 1
