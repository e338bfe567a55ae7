-- attack: loads from a reader function that never ends
-- expect: limit time
-- limits: time=0.15

pcall(load, function() return " " end)
print("ESCAPED")
