-- attack: sleeps for what is no time
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() time.sleep(0/0) end,
  function() time.sleep(-1) end,
  function() time.sleep(1/0) end,
  function() time.sleep(-1e308) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
