-- attack: asks for moments that no calendar has
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() time.iso(1e308) end,
  function() time.iso(-1e15) end,
  function() time.iso(2^53) end,
  function() time.format(1e300) end,
  function() time.iso(0/0) end,
  function() time.parse("99999-99-99") end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
