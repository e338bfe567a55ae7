-- attack: puts a line end into a header, and so a second header or request
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: net:{server}

local codes = {}
for i, f in ipairs({
  function() http.get("http://{server}/echo", { ["X-A"] = "a\r\nX-Forged: b" }) end,
  function() http.get("http://{server}/echo", { ["X-A"] = "a\nX-Forged: b" }) end,
  function() http.get("http://{server}/echo", { ["X-A\r\nX-Forged"] = "b" }) end,
  function() http.get("http://{server}/echo", { ["X-A"] = "a\0b" }) end,
  function() http.get("http://{server}/echo", { ["X-A: b\nX"] = "c" }) end,
  function() http.post("http://{server}/echo", "x", { ["X-A"] = "\u{10a}\u{10d}X-Forged" }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
