-- attack: takes the default as a way around the refusal
-- expect: ok "denied denied"
-- allow: env:OPENAI_API_KEY

local codes = {}
for i, f in ipairs({
  function() env.get("OPENAI_API_KEY", "x") end,
  function() env.get("PATH", "x") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
