-- attack: cancels a task that loads text, and resumes it with a program that has no counter
-- expect: ok false | limit steps
-- limits: steps=10000

local co
local p = async(function()
  co = coroutine.running()
  load("return 1")()
end)
local resumed
await(async(function()
  p:cancel()
  resumed = coroutine.resume(co, true, "x\n\nreturn function() for i = 1, 1e6 do end print('ESCAPED') end")
end))
return resumed
