-- attack: requires modules outside the folder of the spell
-- expect: ok "held"

for _, name in ipairs({ "../x", "..", "../../outside/secret", "{outside}/secret", "/etc/passwd", ".etc.passwd", "..etc.passwd",
                        "up.secret", "up/secret", "link", "./../x", "sub/../../x", "\\..\\x", "file:///etc/passwd", "~", "" }) do
  local ok, e = pcall(require, name)
  if ok then print("ESCAPED by " .. name) end
end
return "held"
