-- attack: reads the environment without a grant
-- expect: ok "denied denied denied denied"

local codes = {}
for i, f in ipairs({
  function() env.get("PATH") end,
  function() env.get("HOME") end,
  function() env.get("USER", "x") end,
  function() env.get("NO_SUCH") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
