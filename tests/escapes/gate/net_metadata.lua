-- attack: asks for the credentials of the machine, by every address of a cloud
-- expect: ok "denied denied denied denied denied denied denied denied"
-- allow: net:*

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, url in ipairs({ "http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe/", "http://2852039166/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/" }) do
  local ok, value = pcall(http.get, (url:gsub("PORT", port)))
  if ok then print("ESCAPED " .. url, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
