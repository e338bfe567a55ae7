-- attack: an agent whose tool makes an agent with the same tool, for ever
-- expect: limit tasks | limit time | error depth
-- limits: time=3
-- allow: llm:**, tool:*

local again = llm.providers.create_mock("n", {{tool_calls = {{name = "t", args = {}}}}}, {cycle = true})
tools.register("t", "Goes on.", {type = "object"}, function()
  return agent.create({model = again, tools = {"t"}}):run("go").content
end)
print("ESCAPED: it has an end", agent.create({model = again, tools = {"t"}}):run("go").content)
