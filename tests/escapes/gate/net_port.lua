-- attack: goes to another port of a granted host
-- expect: ok "denied denied denied bad_argument bad_argument bad_argument"
-- allow: net:{server}

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://127.0.0.1:1/", "http://127.0.0.1/", "https://127.0.0.1/", "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:PORT1/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
