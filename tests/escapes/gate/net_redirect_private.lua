-- attack: is redirected to hosts that no grant names
-- expect: ok "denied denied denied denied denied denied"
-- allow: net:{server}, net:*.com

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, to in ipairs({ "http://127.0.0.1:1/", "http://localhost:PORT/", "http://[::1]:PORT/", "//localhost:PORT/", "http://169.254.169.254/", "http://2130706433:PORT/" }) do
  local escaped = (to:gsub("PORT", port)):gsub("[^%w]", function(c) return ("%%%02x"):format(c:byte()) end)
  local ok, value = pcall(http.get, "http://{server}/redirect?to=" .. escaped)
  if ok then print("ESCAPED to " .. to, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
