-- attack: hides an endless loop in the environment, which every global name reads
-- expect: limit time
-- limits: time=0.15

local print_, pcall_ = print, pcall
local _ENV = setmetatable({}, {__index = function() while true do end end})
pcall_(function() return anything end)
print_("ESCAPED")
