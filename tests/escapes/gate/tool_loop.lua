-- attack: a tool that never ends, called by the host
-- expect: limit time
-- allow: tool

tools.register("loop", "d", {}, function() while true do pcall(function() end) end end)
tools.execute("loop", {})
print("ESCAPED")
