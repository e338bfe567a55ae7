-- attack: registers tools under names that break out of messages and requests
-- expect: ok "bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument bad_argument"
-- allow: tool

local codes = {}
for i, f in ipairs({
  function() tools.register("a\nb", "d", {}, function() end) end,
  function() tools.register("a\0b", "d", {}, function() end) end,
  function() tools.register("../x", "d", {}, function() end) end,
  function() tools.register("a b", "d", {}, function() end) end,
  function() tools.register(("x"):rep(65), "d", {}, function() end) end,
  function() tools.register("\u{430}", "d", {}, function() end) end,
  function() tools.register("", "d", {}, function() end) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
