-- attack: leaves workflows behind that go on after the end
-- expect: ok "left"
-- limits: time=10

for i = 1, 20 do
  local events = workflow.create({ steps = { { id = "a", wait = 0.3 }, { id = "b", call = function() print("ESCAPED") end } } }):stream()
  events:next()
end
return "left"
