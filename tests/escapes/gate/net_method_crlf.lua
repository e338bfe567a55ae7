-- attack: puts a line end or a tunnel into the method
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: net:{server}

local codes = {}
for i, f in ipairs({
  function() http.request("http://{server}/echo", { method = "GET / HTTP/1.1\r\nX-Forged: b\r\n\r\nGET" }) end,
  function() http.request("http://{server}/echo", { method = "GET\n" }) end,
  function() http.request("http://{server}/echo", { method = "CONNECT" }) end,
  function() http.request("http://{server}/echo", { method = "trace" }) end,
  function() http.request("http://{server}/echo", { method = "G\u{c9}T" }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
