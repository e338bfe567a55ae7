-- attack: ends the checked name early with NUL, as C does
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "{outside}/secret.txt\0{root}/inside.txt", "inside.txt\0/../../x", "link\0", "\0" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
