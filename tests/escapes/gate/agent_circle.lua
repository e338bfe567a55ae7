-- attack: agents that use one another for ever, each in a request of the one before
-- expect: error depth
-- limits: time=20, calls=2000
-- allow: llm:**, tool:*

local n = llm.providers.create_mock("n", {{tool_calls = {{name = "a", args = {task = "x"}}, {name = "a", args = {task = "x"}}}}}, {cycle = true})
local a = agent.create({name = "a", model = n})
a:add_tools({a})
a:run("go")
print("ESCAPED: the circle has an end")
