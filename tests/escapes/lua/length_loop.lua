-- attack: loops in __len, called by an operator and by table functions
-- expect: limit time
-- limits: time=0.15

local t = setmetatable({}, {__len = function() while true do end end})
pcall(table.unpack, t)
pcall(table.insert, t, 1)
pcall(function() return #t end)
print("ESCAPED")
