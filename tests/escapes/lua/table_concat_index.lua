-- attack: joins 2^53 items that a built-in function reads
-- expect: error | limit time | limit memory
-- limits: time=0.15

table.concat(setmetatable({}, {__len = function() return 2 ^ 53 end, __index = rawlen}))
print("ESCAPED")
