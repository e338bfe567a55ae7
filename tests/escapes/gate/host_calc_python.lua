-- attack: leaves arithmetic for Python
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() tools.calculate("().__class__.__bases__") end,
  function() tools.calculate("[x for x in (1,2)]") end,
  function() tools.calculate("lambda: 1") end,
  function() tools.calculate("__import__('os')") end,
  function() tools.calculate("pi.__class__") end,
  function() tools.calculate("sqrt.__globals__") end,
  function() tools.calculate("'{0.__class__}'.format(1)") end,
  function() tools.calculate("open('x')") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
