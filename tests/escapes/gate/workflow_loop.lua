-- attack: has the host go round in a workflow for ever
-- expect: limit calls | limit time
-- limits: time=5

while true do
  pcall(function()
    workflow.create({ steps = { { id = "a", max_iterations = 10000, type = "loop", steps = { { id = "b", type = "loop", max_iterations = 10000, steps = { { id = "c", when = false, wait = 0 } } } } } } }):run()
  end)
end
print("ESCAPED")
