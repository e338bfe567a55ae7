-- attack: nests coroutines in callbacks in coroutines, to overflow the C stack
-- expect: ok "done"

local function nest(n)
  if n == 0 then return end
  local ok = pcall(coroutine.wrap(function()
    pcall(string.gsub, "x", "x", function() nest(n - 1) end)
    pcall(table.sort, {2, 1}, function() nest(0) return false end)
    pcall(nest, n - 1)
  end))
end
nest(12)
local function deep(n)
  if n > 100000 then print("ESCAPED") end
  return coroutine.wrap(function() return deep(n + 1) end)()
end
pcall(deep, 1)
return "done"
