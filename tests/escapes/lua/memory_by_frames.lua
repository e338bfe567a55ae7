-- attack: fills the memory, and loops under functions whose names, as the host is told them, need more
-- expect: limit time | limit memory
-- limits: time=1

local name = ("n"):rep(3e5)
local run = load(([[
  local held = {}
  local function NAME(depth)
    if depth == 0 then
      for i = 1, 600 do held[i] = ("x"):rep(1e5) .. i end
      collectgarbage()
      while true do end
    end
    NAME(depth - 1)
    return 1
  end
  return NAME]]):gsub("NAME", name))()
collectgarbage()
pcall(run, 30)
print("ESCAPED")
