-- attack: writes keys that mean something to the border
-- expect: ok "bad_argument bad_argument"

local codes = {}
for i, key in ipairs({ "\0handle", "\0" }) do
  local ok, e = pcall(json.encode, { [key] = { "agent", 1 } })
  if ok then print("ESCAPED " .. e) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
