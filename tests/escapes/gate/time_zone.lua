-- attack: reads files through the name of a time zone
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"

local codes = {}
for i, f in ipairs({
  function() time.iso(0, "../../../../etc/passwd") end,
  function() time.iso(0, "{outside}/secret.txt") end,
  function() time.iso(0, "/etc/localtime") end,
  function() time.iso(0, "Europe") end,
  function() time.iso(0, "Europe/../Europe/Berlin") end,
  function() time.iso(0, "zone.tab") end,
  function() time.iso(0, "\0") end,
  function() time.iso(0, "") end,
  function() time.iso(0, ("x"):rep(5000)) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
