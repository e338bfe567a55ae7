-- attack: learns what is in files with a grant that is for writing
-- expect: ok "denied denied denied denied denied denied"
-- allow: fs.write:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.read("inside.txt") end,
  function() fs.list(".") end,
  function() fs.info("inside.txt") end,
  function() fs.exists("inside.txt") end,
  function() fs.copy("inside.txt", "b") end,
  function() fs.move("inside.txt", "b") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
