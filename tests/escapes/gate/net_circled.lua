-- attack: writes addresses in circled and in wide digits
-- expect: ok "bad_argument bad_argument denied bad_argument"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://\u{2460}\u{2461}\u{2466}.0.0.1:PORT/", "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT/", "http://127\u{3002}0\u{3002}0\u{3002}1:PORT/", "http://\u{24db}ocalhost:PORT/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
