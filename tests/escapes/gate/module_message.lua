-- attack: learns the path of the spell from the error about a module
-- expect: ok "held"

for _, name in ipairs({ "nope", ".etc.passwd", "link", "up.x", "sub.nope" }) do
  local ok, e = pcall(require, name)
  if tostring(e):find("{root}", 1, true) or tostring(e):find("{outside}", 1, true) then print("ESCAPED: " .. name) end
end
return "held"
