-- attack: uses memory up in a task, and waits for it
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(await, async(function() pcall(string.rep, "x", 1e9) print("ESCAPED task") end))
pcall(parallel, {function() return ("x"):rep(1e9) end})
print("ESCAPED")
