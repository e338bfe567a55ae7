-- attack: fills the memory of the host with the conversations of agents
-- expect: limit memory
-- limits: time=20, memory=32MB
-- allow: llm:**

local big = ("x"):rep(500000)
for i = 1, 100 do
  local a = agent.create({name = "a" .. i, model = "test/offline"})
  a:reset({{role = "user", content = big}, {role = "assistant", content = big}})
  if i == 100 then print("ESCAPED with 100 MB") end
end
