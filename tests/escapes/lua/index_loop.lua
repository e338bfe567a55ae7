-- attack: loops in __index and in __newindex
-- expect: limit time
-- limits: time=0.15

local t = setmetatable({}, {__index = function() while true do end end, __newindex = function() while true do end end})
pcall(function() return t.x end)
pcall(function() t.x = 1 end)
print("ESCAPED")
