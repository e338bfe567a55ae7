-- attack: has the schema of a tool read files and the network
-- expect: ok "bad_argument bad_argument bad_argument bad_argument"
-- allow: tool, net:*, fs:/**

local codes = {}
for i, f in ipairs({
  function() tools.register("t", "d", { properties = { a = { ["$ref"] = "file://{outside}/secret.txt" } } }, function() end) end,
  function() tools.register("t", "d", { properties = { a = { ["$ref"] = "http://{server}/" } } }, function() end) end,
  function() tools.register("t", "d", { properties = { a = { ["$ref"] = "//{server}/" } } }, function() end) end,
  function() tools.register("t", "d", { properties = { a = { ["$ref"] = "secret.txt" } } }, function() end) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
