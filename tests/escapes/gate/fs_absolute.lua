-- attack: names the file outside by its absolute path
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "{outside}/secret.txt", "/etc/passwd", "/etc/hostname", "/" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
