-- attack: reads .env files, which hold keys, in every spelling
-- expect: ok "denied denied denied denied denied denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ ".env", "./.ENV", "sub/../.env", ".env.local", "sub/.env", ".env/", ".env/.", "\u{ff0e}env", ".e\u{200c}nv" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
