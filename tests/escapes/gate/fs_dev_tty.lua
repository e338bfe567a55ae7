-- attack: reads the keyboard of the person who runs it
-- expect: ok "denied denied denied denied denied"
-- allow: fs:/**

local codes = {}
for i, path in ipairs({ "/dev/tty", "/dev/stdin", "/dev/fd/0", "/dev/console", "/dev/pts/0" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
