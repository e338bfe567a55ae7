-- attack: loops in a task while the program waits for it
-- expect: limit time
-- limits: time=0.15

pcall(await, async(function() pcall(function() while true do end end) print("ESCAPED task") end))
print("ESCAPED")
