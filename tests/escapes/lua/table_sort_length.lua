-- attack: sorts two billion items that built-in functions read and write
-- expect: error | limit time
-- limits: time=0.15

table.sort(setmetatable({}, {
  __len = function() return 2 ^ 31 - 2 end, __index = rawlen, __newindex = rawlen,
}))
print("ESCAPED")
