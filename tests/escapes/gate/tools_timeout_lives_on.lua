-- attack: has the handler of a tool that was given up work on unseen
-- expect: ok "timeout timeout"
-- allow: tool
-- limits: time=5

local alive = true
tools.register("t", "T.", {}, function()
  while true do
    sleep(0.01)
    if not alive then print("ESCAPED: it still runs") end
  end
end)
tools.register("p", "P.", {}, function()
  while true do
    local ok = pcall(function() while true do sleep(0.01) if not alive then print("ESCAPED: in pcall") end end end)
  end
end)
local _, first = pcall(tools.execute, "t", {}, { timeout = 0.1 })
local _, second = pcall(tools.execute, "p", {}, { timeout = 0.1 })
alive = false
sleep(0.3)
return first.code .. " " .. second.code
