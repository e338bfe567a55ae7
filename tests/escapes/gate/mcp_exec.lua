-- attack: starts programs as MCP servers without a grant to, or with that of another
-- expect: ok "denied denied denied denied denied"
-- allow: tool, exec:true

local codes = {}
for _, command in ipairs({
  { "sh", "-c", "echo ESCAPED > {root}/escaped" }, { "/bin/sh", "-c", "x" }, { "../../bin/sh" }, { "true/../sh" }, { "./true" },
}) do
  local ok, e = pcall(mcp.connect, "x", { command = command, timeout = 1 })
  if ok then print("ESCAPED") end
  codes[#codes + 1] = ok and "done" or e.code
end
return table.concat(codes, " ")
