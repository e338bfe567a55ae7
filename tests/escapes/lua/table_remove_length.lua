-- attack: removes from a table that says it is 2^53 items long
-- expect: error | limit time
-- limits: time=0.15

table.remove(setmetatable({}, {__len = function() return 2 ^ 53 end}), 1)
print("ESCAPED")
