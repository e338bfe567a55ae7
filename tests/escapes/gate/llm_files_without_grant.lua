-- attack: has a file and a page sent to a model, which the script may not read itself
-- expect: ok "denied denied denied"
-- allow: llm:test/offline

local function ask(part)
  local ok, e = pcall(llm.complete, { model = "test/offline", messages = { { role = "user", content = { part } } } })
  return ok and "ESCAPED" or e.code
end
local chat = llm.chat({ model = "test/offline" })
local ok, e = pcall(chat.send, chat, { { type = "file", path = "/etc/passwd", media_type = "text/plain" } })
return table.concat({
  ask({ type = "file", path = "/etc/passwd", media_type = "text/plain" }),
  ask({ type = "image", url = "http://169.254.169.254/latest", media_type = "image/png" }),
  ok and "ESCAPED" or e.code,
}, " ")
