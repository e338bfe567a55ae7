-- attack: deletes or replaces the granted folder itself
-- expect: ok "io io io io"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.remove(".") end,
  function() fs.move(".", "sub/all") end,
  function() fs.write(".", "x") end,
  function() fs.move("sub", "sub/sub") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
