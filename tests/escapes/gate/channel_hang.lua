-- attack: waits for ever, in pcall, in a coroutine, in a background task, for a value nobody sends
-- expect: error runtime : deadlock
-- limits: time=20

local c = channel.make()
spawn(function() while true do pcall(c.receive, c) end end)
coroutine.wrap(function() while true do pcall(c.receive, c) end end)()
print("ESCAPED")
