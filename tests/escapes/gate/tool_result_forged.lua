-- attack: a tool whose result or arguments pose as a handle of the host
-- expect: ok "bad_argument script"
-- allow: tool

tools.register("forge", "d", {}, function() return { ["\0handle"] = { "agent", 1 } } end)
local codes = {}
for i, f in ipairs({
  function() return tools.execute("forge", { ["\0handle"] = { "agent", 1 } }) end,
  function() return tools.execute("forge", {}) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
