-- attack: is redirected to a private address while all public hosts are granted
-- expect: ok "denied denied denied denied denied"
-- allow: net:*, net:{server}

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, to in ipairs({ "http://localhost:PORT/", "http://127.1:PORT/", "http://[::ffff:127.0.0.1]:PORT/", "http://metadata.google.internal/", "http://0:PORT/" }) do
  local escaped = (to:gsub("PORT", port)):gsub("[^%w]", function(c) return ("%%%02x"):format(c:byte()) end)
  local ok, value = pcall(http.get, "http://{server}/redirect?to=" .. escaped)
  if ok then print("ESCAPED to " .. to, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
