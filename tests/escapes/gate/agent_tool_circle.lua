-- attack: an agent that runs itself through a tool, so that runs of agents fill the memory of the host
-- expect: ok "ended" | limit calls | limit memory | limit tasks | limit time
-- limits: time=20, calls=3000
-- allow: llm:**, tool:*

local n = llm.providers.create_mock("n", {{tool_calls = {{name = "again", args = {task = "x"}}}}}, {cycle = true})
local a = agent.create({model = n, tools = {}, tool_retries = 0})
a:as_tool("again")
a:add_tools({"again"})
local ok, e = pcall(a.run, a, "go")
if ok then print("ESCAPED: it came to an answer") end
return "ended"
