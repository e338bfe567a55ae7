-- attack: nests steps, branches and conditions deep
-- expect: ok "bad_argument bad_argument"

local step = { id = "s0", wait = 0 }
for i = 1, 12 do step = { id = "s" .. i, type = "parallel", steps = { step } } end
local ok, e = pcall(workflow.create, { steps = { step } })
local condition = { value = 1, equals = 1 }
for i = 1, 12 do condition = { all = { condition } } end
local ok2, f = pcall(workflow.create, { steps = { { id = "a", wait = 0, when = condition } } })
if ok or ok2 then print("ESCAPED") end
return e.code .. " " .. f.code
