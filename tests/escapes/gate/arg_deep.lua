-- attack: gives values nested too deep, and values that hold themselves
-- expect: ok "bad_argument bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() local t = {} for i = 1, 100000 do t = { t } end json.encode(t) end,
  function() local t = {} t.t = t json.encode(t) end,
  function() local a, b = {}, {} a.b, b.a = b, a log.info("x", a) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
