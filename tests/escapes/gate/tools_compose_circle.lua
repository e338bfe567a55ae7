-- attack: closes a circle of composed tools behind the check, to exhaust the stack of the host
-- expect: ok "bad_argument"
-- allow: tool

tools.register("a", "A.", {}, function() end)
tools.compose("b", { "a" })
tools.remove("a")
tools.compose("a", { "b" })
local ok, e = pcall(tools.execute, "a")
if ok then print("ESCAPED") end
return e.code
