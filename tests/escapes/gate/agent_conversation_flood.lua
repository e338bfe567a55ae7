-- attack: an agent whose tool gives a megabyte again and again: the conversation is kept by the host
-- expect: limit memory
-- limits: time=25, memory=32MB, calls=2000
-- allow: llm:**, tool:*

local text = string.rep("x", 1000000)
tools.register("big", "B.", {}, function() return text end)
local m = llm.providers.create_mock("m", {{tool_calls = {{name = "big"}}}}, {cycle = true})
pcall(agent.run, agent.create({model = m, tools = {"big"}, max_steps = 1000}), "go")
print("ESCAPED: the host held it all")
