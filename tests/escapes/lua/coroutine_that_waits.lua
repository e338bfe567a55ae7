-- attack: resumes and closes a coroutine while a wait inside it is under way
-- expect: ok ["end", false]

local co = coroutine.create(function()
  sleep(0.01)
  return "end"
end)
local p = async(function() return (select(2, coroutine.resume(co))) end)
sleep(0.002)
local resumed = coroutine.resume(co, true, '"ESCAPED"')
if pcall(coroutine.close, co) then print("ESCAPED close") end
if coroutine.status(co) == "suspended" then print("ESCAPED status") end
return {await(p), resumed}
