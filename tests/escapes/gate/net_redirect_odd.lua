-- attack: is redirected to addresses that cannot be read
-- expect: ok "malformed malformed malformed malformed"
-- allow: net:{server}

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, to in ipairs({ "http://", "http://[", "http://127.0.0.1:99999/", "http://a b/" }) do
  local escaped = (to:gsub("PORT", port)):gsub("[^%w]", function(c) return ("%%%02x"):format(c:byte()) end)
  local ok, value = pcall(http.get, "http://{server}/redirect?to=" .. escaped)
  if ok then print("ESCAPED to " .. to, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
