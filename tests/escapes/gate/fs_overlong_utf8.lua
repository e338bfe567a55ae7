-- attack: spells .. in overlong UTF-8, which is no text
-- expect: ok "bad_argument bad_argument bad_argument"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "\xc0\xae\xc0\xae/x", "..\xc0\xafx", "\xff" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
