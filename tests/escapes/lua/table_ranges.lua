-- attack: gives table functions ranges of billions of items
-- expect: ok 0
-- limits: time=2

local found = 0
for _, f in ipairs({
  function() table.move({}, 1, 2 ^ 53, 2) end,
  function() table.move({}, math.mininteger, -2, 1) end,
  function() table.move({}, 1, math.maxinteger, 2, {}) end,
  function() table.concat({}, "", 1, 2 ^ 53) end,
  function() table.concat({}, "", math.mininteger, math.maxinteger) end,
  function() table.unpack({}, 1, 1e9) end,
  function() table.unpack({}, math.mininteger, math.maxinteger) end,
  function() unpack({}, 0, math.maxinteger) end,
  function() string.byte(("x"):rep(1e7), 1, -1) end,
  function() utf8.codepoint(("x"):rep(1e7), 1, -1) end,
}) do
  if pcall(f) then
    print("ESCAPED " .. _)
    found = found + 1
  end
end
return found
