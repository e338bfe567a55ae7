-- attack: is redirected to what is not the web
-- expect: ok "denied denied denied denied"
-- allow: net:{server}

local port = ("{server}"):match(":(%d+)$")
local codes = {}
for i, to in ipairs({ "file://{outside}/secret.txt", "ftp://127.0.0.1/", "data:text/plain,x", "gopher://127.0.0.1/" }) do
  local escaped = (to:gsub("PORT", port)):gsub("[^%w]", function(c) return ("%%%02x"):format(c:byte()) end)
  local ok, value = pcall(http.get, "http://{server}/redirect?to=" .. escaped)
  if ok then print("ESCAPED to " .. to, value.status) end
  codes[i] = ok and "got" or value.code
end
return table.concat(codes, " ")
