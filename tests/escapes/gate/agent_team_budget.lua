-- attack: a team spends more tokens than the spell has, and its failure is caught
-- expect: limit budget
-- limits: time=20, tokens=200
-- allow: llm:**, tool:*

local m = llm.providers.create_mock("m", {"x"}, {cycle = true})
local a = agent.create({model = m})
for _, method in ipairs({"parallel", "vote"}) do
  pcall(agent.collaborate, {a, a}, string.rep("word ", 400), {method = method})
end
print("ESCAPED: the budget was caught")
