-- attack: calls capabilities that do not exist, or are not for spells
-- expect: ok "held"

for _, path in ipairs({ "module.load", "fs.open", "fs.glob", "fs.symlink", "fs.chmod", "os.execute", "os.getenv", "io.open", "io.popen", "exec.run", "tools.builtins", "http.client", "env.set", "llm.key", "session.allow" }) do
  local space, name = path:match("^(%w+)%.(%w+)$")
  local found = _G[space]
  if found ~= nil and found[name] ~= nil then print("ESCAPED: there is " .. path) end
end
return "held"
