-- attack: writes through a symbolic link to a file outside
-- expect: ok "denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write("link", "x") end,
  function() fs.append("link", "x") end,
  function() fs.copy("inside.txt", "link") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
