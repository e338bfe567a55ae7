-- attack: writes through a symbolic link to a folder outside
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write("up/new.txt", "x") end,
  function() fs.append("up/secret.txt", "x") end,
  function() fs.make_directory("up/new") end,
  function() fs.copy("inside.txt", "up/new.txt") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
