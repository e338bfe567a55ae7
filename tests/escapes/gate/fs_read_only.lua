-- attack: changes files with a grant that is for reading
-- expect: ok "denied denied denied denied denied denied"
-- allow: fs.read:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write("inside.txt", "x") end,
  function() fs.append("inside.txt", "x") end,
  function() fs.remove("inside.txt") end,
  function() fs.move("inside.txt", "b") end,
  function() fs.copy("inside.txt", "b") end,
  function() fs.make_directory("b") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
