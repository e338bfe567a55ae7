-- attack: handlers that wait for ever, each of which makes two more
-- expect: limit tasks | limit calls
-- limits: time=10, memory=64MB, tasks=50

local function storm()
  promise.resolve():next(storm)
  promise.resolve():next(storm)
  sleep(60)
end
storm()
print("ESCAPED")
