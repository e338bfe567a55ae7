-- attack: reads the key of the chunk cache, or puts its own in place, to forge programs without limits
-- expect: ok "denied denied denied denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.read("llmspell.key") end,
  function() fs.write("sub/llmspell.key", ("x"):rep(32)) end,
  function() fs.append("./llmspell.key", "x") end,
  function() fs.copy("inside.txt", "sub/../LLMSPELL.KEY") end,
  function() fs.copy("llmspell.key", "inside.txt") end,
  function() fs.move("llmspell.key", "taken") end,
  function() fs.remove("llmspell.key") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
