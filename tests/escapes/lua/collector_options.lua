-- attack: stops or slows the garbage collector, so that limits of memory mean something else
-- expect: ok 0

local found = 0
for _, option in ipairs({"stop", "restart", "step", "setpause", "setstepmul", "incremental", "generational", "isrunning", "param", "x", 1, true, {}}) do
  if pcall(collectgarbage, option, 1000, 1000) then
    print("ESCAPED " .. tostring(option))
    found = found + 1
  end
end
return found
