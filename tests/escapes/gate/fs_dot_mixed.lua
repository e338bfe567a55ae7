-- attack: hides .. among dots and slashes that mean nothing
-- expect: ok "denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "./sub/././/.././" .. (".././/./"):rep(40) .. "{outside}/secret.txt", ".//..//./x" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
