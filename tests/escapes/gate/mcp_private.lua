-- attack: reaches a private address, another scheme or a metadata host by the URL of an MCP server
-- expect: ok "denied denied denied bad_argument bad_argument bad_argument"
-- allow: tool, net:*

local codes = {}
for _, url in ipairs({
  "http://127.0.0.1:80/mcp", "http://169.254.169.254/latest", "http://[::1]/mcp", "file:///etc/passwd", "http://user:pw@x.example/", "ftp://x.example/",
}) do
  local ok, e = pcall(mcp.connect, "x", { url = url, timeout = 1 })
  if ok then print("ESCAPED") end
  codes[#codes + 1] = ok and "done" or e.code
end
return table.concat(codes, " ")
