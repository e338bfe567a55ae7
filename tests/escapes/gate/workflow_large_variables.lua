-- attack: hands large variables to hundreds of functions of nested maps at once
-- expect: limit time | limit memory | limit calls
-- limits: time=0.4

local items = {}
for i = 1, 900 do items[i] = ("x"):rep(1000) end
local step = {id = "c", call = "f"}
for _, id in ipairs({"b", "a"}) do
  step = {id = id, type = "map_reduce", over = "{{items}}", map = step}
end
local w = workflow.create(
  {type = "map_reduce", over = "{{items}}", map = step, variables = {items = items}},
  {f = function(told) return told end})
print("ESCAPED", pcall(w.run, w))
