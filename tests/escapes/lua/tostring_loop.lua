-- attack: loops in __tostring, called by print, tostring and string.format
-- expect: limit time
-- limits: time=0.15

local t = setmetatable({}, {__tostring = function() while true do end end})
pcall(print, t)
pcall(tostring, t)
pcall(string.format, "%s", t)
print("ESCAPED")
