-- attack: separates host and path so that two readers see two hosts
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument denied"
-- allow: net:nothing.invalid

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://127.0.0.1:PORT\\@example.com/", "http:\\\\127.0.0.1:PORT/", "http://example.com\\.127.0.0.1:PORT/", "http:///127.0.0.1:PORT/", "http:127.0.0.1:PORT", "//127.0.0.1:PORT/", "http://example.com#@127.0.0.1:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
