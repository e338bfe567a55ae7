-- attack: has the host fill in a home folder or a variable
-- expect: ok "not_found not_found not_found not_found not_found not_found"
-- allow: fs:{root}/**

local codes = {}
for i, path in ipairs({ "~/.bashrc", "~root/.bashrc", "~", "$HOME/.bashrc", "${HOME}", "%HOME%" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
