-- attack: has a module bring back what the sandbox does not have
-- expect: error not_found
-- sandbox: strict, require

local names = { "os", "string", "debug", "_G", "package", "coroutine" }
for i = 1, #names do
  local ok, found = pcall(require, names[i])
  if ok then print("ESCAPED", names[i], found) end
end
return require("os")
