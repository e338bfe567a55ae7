-- attack: lists folders outside
-- expect: ok "denied denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.list("..") end,
  function() fs.list("up") end,
  function() fs.list("up/") end,
  function() fs.list("/") end,
  function() fs.list("{outside}") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
