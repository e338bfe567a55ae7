-- attack: plants a configuration file, so that the next run has other limits and another model
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write("llmspell.toml", "[limits]\ntime = 1e9") end,
  function() fs.append("./llmspell.toml", "x") end,
  function() fs.copy("inside.txt", "sub/../llmspell.toml") end,
  function() fs.move("inside.txt", "LLMSPELL.TOML") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
