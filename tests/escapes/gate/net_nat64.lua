-- attack: packs private addresses into those that a NAT64 router unpacks
-- expect: ok "denied denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://[64:ff9b::127.0.0.1]:PORT/", "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::127.0.0.1]:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
