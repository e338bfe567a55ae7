-- attack: loops in __pairs and in the iterator it gives
-- expect: limit time
-- limits: time=0.15

local t = setmetatable({}, {__pairs = function() return function() while true do end end end})
pcall(function() for _ in pairs(t) do end end)
print("ESCAPED")
