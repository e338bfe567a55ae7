-- attack: prints where a task cannot give way, so that text piles up
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(table.sort, {2, 1}, function() while true do print(("x"):rep(10000)) end end)
print("ESCAPED")
