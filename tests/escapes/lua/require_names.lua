-- attack: requires modules of Lua, of the host and of the file system
-- expect: ok 0

local found = 0
for _, name in ipairs({
  "os", "io", "package", "debug", "ffi", "jit", "python", "lupa", "string", "_G", "prelude", "main", "",
  "/etc/passwd", "../../etc/passwd", "..", ".", "a/../../b", "\0", "=x", "file:///etc/passwd", "core", "llmspell",
}) do
  local ok, module = pcall(require, name)
  if ok then
    print("ESCAPED " .. name)
    found = found + 1
  elseif tostring(module):find("^/") or tostring(module):find("/work") or tostring(module):find("%.py") then
    print("ESCAPED a path of the host: " .. tostring(module))
    found = found + 1
  end
end
return found
