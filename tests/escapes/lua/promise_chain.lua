-- attack: long chains of promises, nested, cancelled and let go of, to overflow a stack or stall the collector
-- expect: ok "held" | limit memory | limit time
-- limits: time=8, memory=64MB

local first
local p = promise.new(function(resolve) first = resolve end)
local last = p
for i = 1, 30000 do last = last:next() end
local outer = promise.new(function() end)
for i = 1, 30000 do
  local inner = outer
  outer = promise.new(function(resolve) resolve(inner) end)
end
collectgarbage()
outer:cancel()
last:cancel()
first(1)
sleep(0)
collectgarbage()
if not (last:done() and outer:done()) then print("ESCAPED") end
return "held"
