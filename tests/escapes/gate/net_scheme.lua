-- attack: uses schemes that are not for the web
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: net:*, net:127.0.0.1

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "file://{outside}/secret.txt", "ftp://127.0.0.1:PORT/", "gopher://127.0.0.1:PORT/_x", "data:text/plain,hello", "javascript:1", "unix:///tmp/x", "ws://127.0.0.1:PORT/", "FILE:///etc/passwd", "http+unix://%2ftmp%2fx/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
