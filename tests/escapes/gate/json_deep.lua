-- attack: reads JSON nested so deep that the reader runs out of stack
-- expect: ok "bad_argument bad_argument value" | ok "value bad_argument value" | ok "bad_argument bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() json.decode(("["):rep(100000)) end,
  function() json.decode(("[{\"a\":"):rep(100000)) end,
  function() json.decode(("["):rep(500) .. ("]"):rep(500)) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
