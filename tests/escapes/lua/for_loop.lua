-- attack: runs a for loop with huge, negative and fractional steps
-- expect: limit time
-- limits: time=0.15

pcall(function() for i = 1, math.huge do end end)
pcall(function() for i = math.mininteger, math.maxinteger do end end)
pcall(function() for i = 0, 1, 1e-300 do end end)
print("ESCAPED")
