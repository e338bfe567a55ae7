-- attack: reads beyond a pattern: a deeper folder, another suffix, a name that only begins so
-- expect: ok "denied denied denied denied"
-- allow: fs.read:{root}/*.txt

local codes = {}
for i, f in ipairs({
  function() fs.read("{root}/sub/deep.txt") end,
  function() fs.read("big.bin") end,
  function() fs.read("inside.txt/../sub/deep.txt") end,
  function() fs.list("sub") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
