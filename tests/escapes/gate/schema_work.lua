-- attack: has the host merge, compare, infer and check for long
-- expect: ok "held" | error bad_argument | limit time
-- limits: time=60, memory=64MB

local wide = {}
for i = 1, 1500 do wide["key" .. i] = { type = "string" } end
local one = { type = "object", properties = wide }
local odd = { type = "object", properties = {} }
for i = 1, 2000 do odd.properties["typ" .. i], odd["propertie" .. i] = {}, 1 end
local many = {}
for i = 1, 64 do many[i] = one end
local values = {}
for i = 1, 8000 do values[i] = { ["k" .. i] = i } end
for i, work in ipairs({
  function() schema.merge(many) end, function() schema.diff(one, odd) end, function() schema.parse(odd) end,
  function() schema.infer(values) end, function() schema.validate(values, { type = "array", items = one }) end,
}) do
  local began = time.now()
  pcall(work)
  if time.now() - began > 10 then print("ESCAPED: work " .. i .. " held up the host") end
end
return "held"
