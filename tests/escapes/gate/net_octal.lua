-- attack: writes the loopback address in octal
-- expect: ok "bad_argument denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://0177.0.0.1:PORT/", "http://017700000001:PORT/", "http://0177.1:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
