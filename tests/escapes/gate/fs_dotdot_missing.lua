-- attack: goes up from folders that do not exist, so that they cannot be resolved
-- expect: ok "denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "no/such/folder/" .. ("../"):rep(40) .. "{outside}/secret.txt", "no/../../x" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
