-- attack: a tool that sleeps past the limit, in a task nobody waits for
-- expect: limit time
-- allow: tool

tools.register("sleeper", "d", {}, function() sleep(1e6) end)
async(function() tools.execute("sleeper", {}) end)
sleep(1e6)
print("ESCAPED")
