-- attack: has table.concat read a million items through a chain of 2000 tables
-- expect: error | limit time
-- limits: time=0.15

local t = setmetatable({}, {__index = rawlen})
for _ = 1, 1990 do t = setmetatable({}, {__index = t}) end
table.concat(t, "", 1, 1e6)
print("ESCAPED")
