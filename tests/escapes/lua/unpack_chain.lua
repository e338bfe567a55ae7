-- attack: has table.unpack read a million items through a chain of 2000 tables
-- expect: error | limit time
-- limits: time=0.15

local t = setmetatable({}, {__index = rawlen})
for _ = 1, 1990 do t = setmetatable({}, {__index = t}) end
table.unpack(t, 1, 9e5)
print("ESCAPED")
