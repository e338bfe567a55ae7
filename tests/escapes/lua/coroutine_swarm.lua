-- attack: does all its work in coroutines that live for one step
-- expect: limit time
-- limits: time=0.15

while true do
  coroutine.wrap(function() end)()
  coroutine.resume(coroutine.create(function() coroutine.yield() end))
end
print("ESCAPED")
