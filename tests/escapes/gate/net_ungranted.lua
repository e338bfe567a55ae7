-- attack: goes to the server with a grant for another host
-- expect: ok "denied denied denied denied denied"
-- allow: net:granted.example

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://{server}/", "http://{server}/?granted.example", "http://{server}/granted.example", "http://other.example/", "http://granted.example.other.example/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
