-- attack: uses multicast, link-local, carrier and documentation addresses
-- expect: ok "denied denied denied denied denied denied denied denied denied denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://224.0.0.1/", "http://[ff02::1]/", "http://[fe80::1]/", "http://100.64.0.1/", "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://198.18.0.1/", "http://255.255.255.255/", "http://[fec0::1]/", "http://192.88.99.1/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
