-- attack: reads what the host process has open through /proc/self/fd
-- expect: ok "held"
-- allow: fs:/**

for i = 0, 63 do
  for _, path in ipairs({ "/proc/self/fd/" .. i, "/dev/fd/" .. i }) do
    local ok, value = pcall(fs.read_bytes, path)
    if ok then print("ESCAPED " .. path) end
    if not ok and value.code ~= "denied" then return value.message end
  end
end
return "held"
