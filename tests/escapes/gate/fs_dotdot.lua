-- attack: reads a file outside by going up with ..
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ ("../"):rep(40) .. "{outside}/secret.txt", ("../"):rep(40) .. "etc/passwd", "..", "../" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
