-- attack: a tool that runs itself without end
-- expect: limit calls | limit tasks | limit time | limit memory
-- limits: time=5, memory=64MB
-- allow: tool

tools.register("again", "d", {}, function() return tools.execute("again", {}) end)
tools.execute("again", {})
print("ESCAPED")
