-- attack: gives names longer than the file system takes
-- expect: ok "io io not_found"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ ("x"):rep(300), "sub/" .. ("y"):rep(4000), ("d/"):rep(1000) .. "x" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
