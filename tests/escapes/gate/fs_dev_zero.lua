-- attack: reads devices that never end
-- expect: ok "denied denied denied denied"
-- allow: fs:/**

local codes = {}
for i, path in ipairs({ "/dev/zero", "/dev/urandom", "/dev/full", "/dev/./zero" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
