-- attack: resumes and closes a task while it waits for the host, with an answer of its own
-- expect: ok ["end", false]

local co
local p = async(function()
  co = coroutine.running()
  local at = time.now()
  sleep(0.01)
  if type(at) ~= "number" then print("ESCAPED " .. tostring(at)) end
  return "end"
end)
sleep(0.002)
local resumed = coroutine.resume(co, true, '"ESCAPED"')
if pcall(coroutine.close, co) then print("ESCAPED close") end
return {await(p), resumed}
