-- attack: loops in the metamethods of arithmetic
-- expect: limit time
-- limits: time=0.15

local function loop() while true do end end
local t = setmetatable({}, {__add = loop, __unm = loop, __shl = loop, __idiv = loop})
pcall(function() return -t end)
pcall(function() return 1 + t, 1 << t, t // 1 end)
print("ESCAPED")
