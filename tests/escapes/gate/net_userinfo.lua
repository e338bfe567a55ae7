-- attack: puts a granted name before the host, as a user
-- expect: ok "bad_argument bad_argument bad_argument denied"
-- allow: net:example.com, net:example.com:80

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://example.com@127.0.0.1:PORT/", "http://example.com:80@localhost:PORT/", "http://127.0.0.1:PORT@example.com/", "http://@127.0.0.1:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
