-- attack: runs tools without a grant for tools, in every way there is
-- expect: ok "denied denied denied denied denied denied denied"

local codes = {}
for _, f in ipairs({
  function() tools.execute("file_read", { path = "/etc/passwd" }) end,
  function() tools.parallel({ { name = "calculator", args = { expression = "1" } } }) end,
  function() tools.pipeline({ "uuid" }) end,
  function() tools.compose("x", { "uuid" }) end,
  function() tools.register("x", "X.", {}, function() end) end,
  function() tools.from_mcp("x", { command = { "cat" } }) end,
  function() tools.approve("uuid", {}) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED") end
  codes[#codes + 1] = ok and "done" or e.code
end
return table.concat(codes, " ")
