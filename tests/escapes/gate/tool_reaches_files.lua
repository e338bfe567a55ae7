-- attack: uses tools to do what only the tools are granted for
-- expect: ok "denied denied denied denied denied"
-- allow: tool

local codes = {}
for i, f in ipairs({
  function() tools.execute("file_read", { path = "{root}/inside.txt" }) end,
  function() tools.execute("file_write", { path = "x", content = "x" }) end,
  function() tools.execute("file_copy", { source = "link", target = "x" }) end,
  function() tools.execute("file_list", { path = "/" }) end,
  function() tools.execute("web_fetch", { url = "http://{server}/" }) end,
}) do
  local ok, e = pcall(f)
  if ok then print("ESCAPED by call " .. i) end
  codes[i] = ok and "done" or e.code
end
return table.concat(codes, " ")
