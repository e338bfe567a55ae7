-- attack: leaves globals, changed libraries and a changed string metatable for the spell that runs next
-- expect: ok true

print(string == nil and "ESCAPED" or "fine")
for name in next, string do string[name] = nil end
for _, name in next, {"json", "math", "table", "coroutine", "pcall", "tostring", "print", "setmetatable", "await"} do
  _G[name] = nil
end
return true
