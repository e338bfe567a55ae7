-- attack: settles promises and attaches handlers in a function the host called, from one that has ended and failed
-- expect: ok ["late"]
-- allow: tool:*

local give, log = nil, {}
local p = promise.new(function(resolve) give = resolve end)
tools.register("listen", "Listens.", {type = "object"}, function()
  p:next(function(v) log[#log + 1] = v end)
  return "ok"
end)
tools.register("fail", "Fails.", {type = "object"}, function()
  p:next(function(v) print("ESCAPED") end)
  error("failed")
end)
tools.execute("listen", {})
pcall(tools.execute, "fail", {})
give("late")
sleep(0.01)
return log
