-- attack: plants a .env file, so that the next run sends keys elsewhere
-- expect: ok "denied denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write(".env", "OPENAI_BASE_URL=http://127.0.0.1:1") end,
  function() fs.append(".env", "x") end,
  function() fs.copy("inside.txt", ".env") end,
  function() fs.move("inside.txt", ".env") end,
  function() fs.write(".env.local", "x") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
