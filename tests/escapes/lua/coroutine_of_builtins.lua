-- attack: runs built-in functions as coroutines, without a function of its own
-- expect: limit time
-- limits: time=0.15

while true do
  coroutine.wrap(pcall)(pcall, error)
  coroutine.resume(coroutine.create(tostring), "x")
end
print("ESCAPED")
