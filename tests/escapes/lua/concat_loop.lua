-- attack: loops in __concat
-- expect: limit time
-- limits: time=0.15

local t = setmetatable({}, {__concat = function() while true do end end})
pcall(function() return "a" .. t .. "b" end)
print("ESCAPED")
