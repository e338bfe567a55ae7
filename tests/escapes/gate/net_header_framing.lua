-- attack: sets headers that say where a request goes and where it ends
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: net:{server}

local codes = {}
for i, f in ipairs({
  function() http.post("http://{server}/echo", "x", { ["Host"] = "elsewhere" }) end,
  function() http.post("http://{server}/echo", "x", { ["Content-Length"] = "0" }) end,
  function() http.post("http://{server}/echo", "x", { ["transfer-encoding"] = "chunked" }) end,
  function() http.post("http://{server}/echo", "x", { ["Connection"] = "upgrade" }) end,
  function() http.post("http://{server}/echo", "x", { ["UPGRADE"] = "h2c" }) end,
  function() http.post("http://{server}/echo", "x", { ["Expect"] = "100-continue" }) end,
  function() http.post("http://{server}/echo", "x", { ["Proxy-Authorization"] = "x" }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
