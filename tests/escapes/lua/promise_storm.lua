-- attack: a handler that makes two new handlers, for ever
-- expect: limit memory | limit time | limit steps
-- limits: time=2, memory=32MB

local function storm()
  promise.resolve():next(storm)
  promise.resolve():next(storm)
end
storm()
await(promise.new(function() end))
print("ESCAPED")
