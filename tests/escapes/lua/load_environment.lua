-- attack: reaches the real globals from text loaded with an environment of its own
-- expect: ok 0

local found = 0
local text = [[
  local seen = {}
  for _, name in ipairs_({"_G", "os", "print", "load", "string", "debug", "package", "python"}) do
    if _ENV[name] then seen[#seen + 1] = name end
  end
  return seen
]]
for _, name in ipairs(load(text, "=x", "t", {ipairs_ = ipairs})()) do
  print("ESCAPED " .. name)
  found = found + 1
end
for _, env in ipairs({false, 5, "text", print}) do
  if pcall(load("return os.clock()", "=x", "t", env)) then
    print("ESCAPED with the environment " .. type(env))
    found = found + 1
  end
end
if pcall(load("return print", "=x", "t", nil)) then
  print("ESCAPED without an environment")
  found = found + 1
end
return found
