-- attack: makes one text of more arguments than the stack holds
-- expect: ok [false, false, false]

local codes = {}
for i = 1, 1200000 do codes[i] = 65 end
local a = pcall(function() return utf8.char(table.unpack(codes)) end)
local b = pcall(function() return string.char(table.unpack(codes)) end)
local c = pcall(function() return math.max(table.unpack(codes)) end)
if a or b or c then print("ESCAPED") end
return {a, b, c}
