-- attack: has a function inside parallel cancel the task around it, and go on as no task at all
-- expect: error cancelled | ok false

local p, co
p = async(function()
  parallel({
    function()
      sleep(0.001)
      p:cancel()
      co = coroutine.running()
      if coroutine.isyieldable() then print("ESCAPED isyieldable") end
      coroutine.yield({}, 1, "time.now", "[]")
      print("ESCAPED")
    end,
    function() sleep(1) end,
  })
end)
pcall(await, p)
sleep(0.005)
local resumed = coroutine.resume(co, true, "1")
if coroutine.resume(co, true, "1") then print("ESCAPED again") end
return resumed
