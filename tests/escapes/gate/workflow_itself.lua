-- attack: has a workflow run, cancel and change itself from inside its own steps
-- expect: ok "cancelled running running"
-- limits: time=10

local w, codes = nil, {}
local function failing(f) local ok, e = pcall(f) return ok and "done" or e.code end
w = workflow.create({ steps = { { id = "a", call = function()
  codes[1] = failing(function() w:run() end)
  codes[2] = failing(function() w:add({ id = "b", wait = 0 }) end)
  w:cancel()
  print("ESCAPED: a cancelled step went on")
end } } })
local e = failing(function() w:run() end)
return e .. " " .. table.concat(codes, " ")
