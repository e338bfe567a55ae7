-- attack: reads a variable beside the granted ones
-- expect: ok "denied denied denied denied"
-- allow: env:LANG

local codes = {}
for i, f in ipairs({
  function() env.get("PATH") end,
  function() env.get("HOME") end,
  function() env.get("LANG2") end,
  function() env.get("lang") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
