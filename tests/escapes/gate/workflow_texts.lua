-- attack: has a template come to gigabytes
-- expect: ok "too_large bad_argument"
-- limits: time=10, memory=64MB

local list = {}
for i = 1, 2000 do list[i] = "{{a.output}}" end
local function run(input)
  local ok, e = pcall(function()
    workflow.create({ steps = { { id = "a", call = function() return ("x"):rep(200000) end }, { id = "b", call = function() return 1 end, input = input } } }):run()
  end)
  if ok then print("ESCAPED") end
  return e.code
end
return run(list) .. " " .. run(table.concat(list))
