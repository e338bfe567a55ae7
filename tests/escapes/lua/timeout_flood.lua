-- attack: waits with tiny timeouts for ever, to pile up waiters and alarms
-- expect: limit calls
-- limits: calls=1000, time=20, memory=16MB

local p = promise.new(function() end)
while true do pcall(await, p, 0) end
print("ESCAPED")
