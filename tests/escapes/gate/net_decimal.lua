-- attack: writes the loopback address as one number
-- expect: ok "denied denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://2130706433:PORT/", "http://127.65537:PORT/", "http://127.8323073:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
