-- attack: reaches a folder that is taken away again, by every other way to write its name
-- expect: ok "denied denied denied denied denied"
-- allow: fs:{root}/**, !fs:{root}/sub/**

local codes = {}
for i, f in ipairs({
  function() fs.read("sub/deep.txt") end,
  function() fs.read("./sub//deep.txt") end,
  function() fs.read("{root}/sub/deep.txt") end,
  function() fs.copy("sub/deep.txt", "mine") end,
  function() fs.move("sub/deep.txt", "mine") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
