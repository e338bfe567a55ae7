-- attack: reads the environment of the host process from /proc
-- expect: ok "denied denied denied denied denied denied"
-- allow: fs:/**

local codes = {}
for i, path in ipairs({ "/proc/self/environ", "/proc/thread-self/environ", "/proc/1/environ", "//proc//self//environ", "/tmp/../proc/self/environ", "/proc/self/cmdline" }) do
  local ok, value = pcall(fs.read, path)
  if ok then print("ESCAPED " .. path, type(value) == "string" and value:sub(1, 80)) end
  codes[i] = ok and "read" or value.code
end
return table.concat(codes, " ")
