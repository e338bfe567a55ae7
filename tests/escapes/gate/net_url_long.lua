-- attack: asks for an address that the host's library cannot write, and for one that takes it long
-- expect: ok ["bad_argument","bad_argument"]
-- allow: net:{server}

local codes = {}
for i, path in ipairs({ ("é"):rep(20000), ("a"):rep(65000) }) do
  local ok, err = pcall(http.get, "http://{server}/" .. path)
  if ok then print("ESCAPED: it was asked") end
  codes[i] = err.code
end
return codes
