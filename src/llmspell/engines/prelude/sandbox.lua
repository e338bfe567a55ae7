-- Takes out of the environment what the sandbox of a run does not have. It is all one environment:
-- tasks, coroutines, modules, loaded text and callbacks have no other.

local inside, names, null = ...
local env, next, type, rawequal, need =
  inside.env, inside.next, inside.type, inside.rawequal, inside.need

local allowed = {}
for name in inside.gmatch(names, "[^\n]+") do allowed[name] = true end

local function narrow(t, prefix)
  for k in next, t do
    if not allowed[prefix .. k] then t[k] = nil end
  end
end

return function()
  -- Texts have their methods from here, whether there is a global of that name or not.
  local strings = need("strings")
  if strings then narrow(strings.string, "string.") end
  narrow(env, "")
  for k, v in next, env do
    if type(v) == "table" and not rawequal(v, env) and not rawequal(v, null) then narrow(v, k .. ".") end
  end
end
