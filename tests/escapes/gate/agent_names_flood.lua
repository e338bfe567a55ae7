-- attack: fills the memory of the host with agents and hooks that have names
-- expect: ok [256, 64]
-- limits: time=20
-- allow: llm:**

local agents, known = 0, 0
for i = 1, 300 do
  if pcall(agent.create, {name = "a" .. i, model = "test/offline"}) then agents = agents + 1 end
end
for i = 1, 100 do
  if pcall(hooks.register, "h" .. i, {before_generate = function() end}) then known = known + 1 end
end
if agents > 256 or known > 64 then print("ESCAPED: as many as it wants") end
return {agents, known}
