-- attack: loops in the comparator of table.sort, and catches it there
-- expect: limit time
-- limits: time=0.15

pcall(table.sort, {3, 2, 1}, function() pcall(function() while true do end end) return true end)
print("ESCAPED")
