-- attack: names nothing, or blanks
-- expect: ok "bad_argument not_found io not_found"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "", " ", ".", "\n" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
