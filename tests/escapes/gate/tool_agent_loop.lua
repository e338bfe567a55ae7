-- attack: an agent whose tool runs the agent again, without end
-- expect: limit calls | limit tasks | limit time | limit memory
-- limits: time=3, memory=64MB, calls=100
-- allow: llm:test/offline, tool

local worker
tools.register("ask", "d", {}, function() return worker:run("again").content end)
worker = agent.create({ model = "test/offline", tools = { "ask" }, max_steps = 1000 })
worker:run("begin")
print("ESCAPED")
