-- attack: loops in __lt and __le, called by an operator and by table.sort
-- expect: limit time
-- limits: time=0.15

local meta = {__lt = function() while true do end end, __le = function() while true do end end}
local a, b = setmetatable({}, meta), setmetatable({}, meta)
pcall(table.sort, {a, b})
pcall(function() return a <= b end)
print("ESCAPED")
