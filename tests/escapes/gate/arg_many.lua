-- attack: gives more arguments than there are
-- expect: ok "bad_argument bad_argument bad_argument"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.read("inside.txt", "link", "x") end,
  function() time.now(1) end,
  function() fs.read(table.unpack({}, 1, 200)) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
