-- attack: iterates over a coroutine that never ends
-- expect: limit time
-- limits: time=0.15

for i in coroutine.wrap(function() local i = 0 while true do i = i + 1 coroutine.yield(i) end end) do end
print("ESCAPED")
