-- attack: raises objects whose __tostring waits, yields or starts tasks
-- expect: error runtime

local function odd()
  if pcall(coroutine.yield, "x") then print("ESCAPED") end
  async(function() sleep(0.001) end)
  sleep(0.001)
  return {}
end
error(setmetatable({}, {__tostring = odd}))
