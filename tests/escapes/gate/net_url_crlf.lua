-- attack: puts a line end into the address, and so a second header
-- expect: ok "held"
-- allow: net:{server}

for _, path in ipairs({ "echo?a=%0d%0aX-Forged:%20b", "echo?\r\nX-Forged: b", "echo HTTP/1.1\r\nX-Forged: b", "\n", "\u{10a}X-Forged:b" }) do
  local ok, reply = pcall(http.get, "http://{server}/" .. path)
  if ok then
    local read, shown = pcall(json.decode, reply.body)
    for name in pairs(read and shown.headers or {}) do
      if name:lower():find("forged", 1, true) then print("ESCAPED: a header of its own") end
    end
  end
end
return "held"
