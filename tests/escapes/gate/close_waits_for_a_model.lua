-- attack: to-be-closed variables that ask models and wait while the run is ended
-- expect: limit time
-- limits: time=0.5
-- allow: llm:**

local meta = {__close = function()
  llm.generate("x", {model = "test/offline"})
  sleep(10)
  print("ESCAPED: what was to be closed ran on")
end}
local kept <close> = setmetatable({}, meta)
async(function()
  local also <close> = setmetatable({}, meta)
  while true do sleep(0.01) end
end)
sleep(0.05)
while true do end
