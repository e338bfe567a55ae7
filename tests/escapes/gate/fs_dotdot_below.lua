-- attack: goes up from a folder inside, one step more than it went down
-- expect: ok "denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "sub/../../" .. ("../"):rep(30) .. "{outside}/secret.txt", "sub/../../x", "{root}/../x" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
