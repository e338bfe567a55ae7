-- attack: separates folders with backslashes, as another system does
-- expect: ok "not_found not_found not_found not_found not_found"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "..\\..\\x", "sub\\..\\..\\x", "C:\\x", "\\\\host\\share", "\\etc\\passwd" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
