-- attack: reads through a symbolic link to a file outside
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "link", "./link", "sub/../link", "{root}/link" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
