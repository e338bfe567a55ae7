-- attack: moves its own file outside, or a link to where it means something else
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, f in ipairs({
  function() fs.move("inside.txt", "{outside}/new.txt") end,
  function() fs.move("inside.txt", "up/new.txt") end,
  function() fs.move("link", "sub/link") end,
  function() fs.move("up", "sub/up") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
