-- attack: reads numbers that no number can hold
-- expect: ok "value value bad_argument bad_argument bad_argument value bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() json.decode("1e999") end,
  function() json.decode("-1e999") end,
  function() json.decode("NaN") end,
  function() json.decode("[Infinity]") end,
  function() json.decode("-Infinity") end,
  function() json.decode(("9"):rep(100)) end,
  function() json.decode(("9"):rep(5000)) end,
  function() json.decode("1" .. ("0"):rep(1000000)) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
