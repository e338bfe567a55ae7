-- attack: writes, appends and makes folders outside
-- expect: ok "denied denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.write("{outside}/new.txt", "x") end,
  function() fs.write("../new.txt", "x") end,
  function() fs.append("{outside}/secret.txt", "x") end,
  function() fs.make_directory("{outside}/new") end,
  function() fs.make_directory("sub/../../new") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
