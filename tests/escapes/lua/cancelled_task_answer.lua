-- attack: cancels a task that waits for the host, and resumes it with a handle it made up
-- expect: ok false

local co
local p = async(function()
  co = coroutine.running()
  local at = time.now()
  print("ESCAPED " .. type(at))
end)
local resumed
await(async(function()
  p:cancel()
  resumed = coroutine.resume(co, true, '{"\0handle":["agent",1]}')
end))
return resumed
