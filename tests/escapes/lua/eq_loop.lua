-- attack: loops in __eq, called by an operator and by a search
-- expect: limit time
-- limits: time=0.15

local meta = {__eq = function() while true do end end}
local a, b = setmetatable({}, meta), setmetatable({}, meta)
pcall(function() return a == b end)
print("ESCAPED")
