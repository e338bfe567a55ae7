-- attack: loops in __call
-- expect: limit time
-- limits: time=0.15

local t = setmetatable({}, {__call = function() while true do end end})
pcall(t)
pcall(pcall, t)
print("ESCAPED")
