-- attack: gives more values than may cross at once
-- expect: ok "bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() local t = {} for i = 1, 200000 do t[i] = 1 end json.encode(t) end,
  function() local t, u = {}, {} for i = 1, 400 do t[i] = u u[i] = 1 end json.encode(t) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
