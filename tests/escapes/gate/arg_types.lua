-- attack: gives values of every wrong type
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: fs:{root}/**, net:*

local codes = {}
for i, f in ipairs({
  function() fs.read({}) end,
  function() fs.read(print) end,
  function() fs.read(true) end,
  function() fs.read(5) end,
  function() fs.write("x", { 1 }) end,
  function() fs.list(0) end,
  function() http.get({}) end,
  function() time.sleep("x") end,
  function() fs.read(nil) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
