-- attack: has an agent read a file that the spell may not read
-- expect: ok "held"
-- limits: time=5, memory=64MB
-- allow: llm:test/offline, tool

local worker = agent.create({ model = "test/offline", tools = { "file_read", "file_list", "web_fetch" } })
local reply = worker:run("read the file")
for _, use in ipairs(reply.tool_calls) do
  if use.error == nil then print("ESCAPED by " .. use.name, json.encode(use.result)) end
end
return "held"
