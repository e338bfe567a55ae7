-- attack: goes up behind a link: the text says inside, the file system says outside
-- expect: ok "denied denied denied denied"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "up/../inside.txt", "up/.." .. "{outside}/secret.txt", "up/..", "link/../inside.txt" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
