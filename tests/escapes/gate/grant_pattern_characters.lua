-- attack: has its own text read as a pattern of a grant
-- expect: ok "denied denied denied denied"
-- allow: tool:calculator, env:LANG, fs.read:{root}/inside.txt

local codes = {}
for i, f in ipairs({
  function() return tools.execute("[a-z]*") end,
  function() return tools.execute("*") end,
  function() return env.get("*") end,
  function() return fs.read("*") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
