-- attack: gives timeouts that are no time
-- expect: ok "bad_argument bad_argument bad_argument"
-- allow: net:{server}

local codes = {}
for i, f in ipairs({
  function() http.request("http://{server}/slow", { timeout = 0 }) end,
  function() http.request("http://{server}/slow", { timeout = -1 }) end,
  function() http.request("http://{server}/slow", { timeout = 0/0 }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
