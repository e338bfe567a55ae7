-- attack: has a thousand steps wait for each other in a circle
-- expect: ok "bad_argument"
-- limits: time=10

local steps = {}
for i = 1, 900 do steps[i] = { id = "s" .. i, wait = 0, needs = { "s" .. (i % 900 + 1) } } end
local ok, e = pcall(workflow.create, { type = "graph", steps = steps })
if ok then print("ESCAPED") end
return e.code
