-- attack: breaks out of a header of an MCP server's requests, and fills the registry of servers
-- expect: ok "bad_argument bad_argument bad_argument"
-- allow: tool, net:127.0.0.1
-- limits: time=25

local _, header = pcall(mcp.connect, "x", { url = "http://127.0.0.1:1/", headers = { ["x-a"] = "1\r\nhost: evil" } })
local _, host = pcall(mcp.connect, "y", { url = "http://127.0.0.1:1/", headers = { host = "evil" } })
local last
for i = 1, 40 do
  local ok, e = pcall(mcp.connect, "s" .. i, { url = "http://127.0.0.1:1/", timeout = 0.05 })
  if ok then print("ESCAPED") end
  last = e.code
end
return header.code .. " " .. host.code .. " " .. last
