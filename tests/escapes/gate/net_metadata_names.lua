-- attack: asks for the credentials of the machine by name
-- expect: ok "denied denied denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://metadata.google.internal/", "http://metadata.google.internal./", "http://METADATA.GOOG/", "http://Metadata.Google.Internal:80/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
