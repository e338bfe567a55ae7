-- attack: sorts with comparators that contradict themselves, raise, or change the table
-- expect: ok "done"
-- limits: time=5

local t = {}
for i = 1, 200 do t[i] = i % 7 end
for _, less in ipairs({
  function() return true end,
  function() return {} end,
  function() return math.random() < 0.5 end,
  function(a, b) return a ~= b end,
  function() t[#t + 1] = 1 return false end,
  function() for i = 1, 10 do t[i] = nil end return true end,
  function() table.sort(t) return true end,
  error, rawequal,
}) do
  local ok, why = pcall(table.sort, t, less)
  if not ok and type(why) == "string" and why:find("0x%x%x") then print("ESCAPED " .. why) end
  for i = 1, 200 do t[i] = i % 7 end
end
return "done"
