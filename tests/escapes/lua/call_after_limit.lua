-- attack: catches the limit and calls the host: log, clock, a task, a sleep
-- expect: limit steps
-- limits: steps=10000

pcall(function() while true do end end)
pcall(log.info, "ESCAPED")
pcall(time.now)
pcall(async, function() print("ESCAPED") end)
pcall(sleep, 0.001)
log.info("ESCAPED")
