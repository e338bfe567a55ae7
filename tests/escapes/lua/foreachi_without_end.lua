-- attack: has table.foreachi ask a metamethod how long the list is, which says: without end
-- expect: limit steps | error
-- limits: steps=1000000, time=20

local endless = setmetatable({}, { __len = function() return math.maxinteger end, __index = function() return "zz" end })
table.foreachi(endless, string.find)
if #endless == 0 then error("lengths are not asked for here") end
print("ESCAPED")
