-- attack: packs private addresses into 6to4 and Teredo ones
-- expect: ok "denied denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://[2002:7f00:1::]:PORT/", "http://[2002:a9fe:a9fe::1]/", "http://[2001:0:7f00:1::]:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
