-- attack: makes a workflow of a million steps, at once and one by one
-- expect: ok "bad_argument bad_argument"
-- limits: time=10, calls=3000

local steps = {}
for i = 1, 5000 do steps[i] = { id = "s" .. i, wait = 0 } end
local ok, e = pcall(workflow.create, { steps = steps })
if ok then print("ESCAPED: so many steps were taken") end
local w = workflow.create({ steps = { table.unpack(steps, 1, 990) } })
local ok2, f
for i = 1, 11 do ok2, f = pcall(w.add, w, { id = "t" .. i, wait = 0 }) end
if ok2 then print("ESCAPED: so many steps were added") end
return e.code .. " " .. f.code
