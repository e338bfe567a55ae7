-- attack: has an agent run a tool that the spell may not run
-- expect: ok "held"
-- limits: time=5, memory=64MB
-- allow: llm:test/offline, fs:{root}/**

local worker = agent.create({ model = "test/offline", tools = { "file_read", "file_list", "calculator" } })
local reply = worker:run("read the file")
for _, use in ipairs(reply.tool_calls) do
  if use.error == nil then print("ESCAPED by " .. use.name, json.encode(use.result)) end
end
return "held"
