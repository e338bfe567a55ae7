-- attack: reads a folder as a file, and a file as a folder
-- expect: ok "io io io io"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "sub", "sub/", ".", "inside.txt/x" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
