-- attack: gives a workflow agents that are none, and that of nobody
-- expect: ok "bad_argument bad_argument bad_argument"
-- allow: llm

local c = channel.make()
local codes = {}
for i, agent in ipairs({ c, "agent#1", 5 }) do
  local ok, e = pcall(workflow.create, { steps = { { id = "a", agent = agent, input = "x" } } })
  if ok then print("ESCAPED by agent " .. i) end
  codes[i] = e.code
end
return table.concat(codes, " ")
