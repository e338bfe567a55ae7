-- attack: runs an empty loop and catches whatever ends it
-- expect: limit time
-- limits: time=0.15

pcall(function() while true do end end)
print("ESCAPED")
