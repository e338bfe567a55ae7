-- attack: looks for removed functions inside of coroutines and tasks
-- expect: ok true
-- sandbox: strict

local function look()
  for _, name in ipairs({ load or 0, require or 0, os or 0, setmetatable or 0, string.gsub or 0 }) do
    if name ~= 0 then print("ESCAPED") end
  end
  return true
end
coroutine.wrap(look)()
coroutine.wrap(function() coroutine.wrap(look)() end)()
await(async(look))
parallel({ look, function() return await(spawn(look)) end })
return look()
