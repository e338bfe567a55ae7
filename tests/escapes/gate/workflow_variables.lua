-- attack: has the host keep what workflows that are over left in their variables, and events that nobody takes
-- expect: limit memory
-- limits: time=30, memory=64MB

local kept = {}
for i = 1, 200 do
  local w = workflow.create { variables = { big = "" }, steps = {
    { id = "a", call = function() return ("x"):rep(1000000) end, save_as = "big" } } }
  local events = w:stream()
  for _ = 1, i % 3 do events:next() end
  kept[i] = { w, events }
  pcall(w.run, w)
  collectgarbage()
end
print("ESCAPED: kept 200 MB")
