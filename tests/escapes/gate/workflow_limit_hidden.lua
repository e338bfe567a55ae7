-- attack: has the failure of a step hide the budget that another passes in the same moment
-- expect: limit budget
-- limits: time=20, tokens=1
-- allow: llm:**, tool:*

local m = llm.providers.create_mock("m", { "x" }, { cycle = true })
for _, kind in ipairs({ "parallel", "graph" }) do
  local w = workflow.create { type = kind, steps = {
    { id = "a", tool = "nowhere" }, { id = "b", prompt = "hello there", model = m }, { id = "c", tool = "nowhere" } } }
  pcall(w.run, w)
end
print("ESCAPED: the budget was caught")
