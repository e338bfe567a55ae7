-- attack: makes promises by hand, changes real ones, and uses their methods on other things
-- expect: ok 0

local found = 0
local function try(name, f, ...)
  if pcall(f, ...) then
    print("ESCAPED " .. name)
    found = found + 1
  end
end
local p = async(function() return 1 end)
for _, fake in ipairs({{}, {done = true, ok = true, value = 1}, setmetatable({}, {__index = p}), "promise", 1, null, _G}) do
  try("await", await, fake)
  try("cancel", p.cancel, fake)
  try("done", p.done, fake)
  try("parallel", parallel, {fake})
end
try("write", function() p.value = 2 end)
try("setmetatable", setmetatable, p, {})
try("method", function() p.await.x = 1 end)
rawset(p, "done", function() return "ESCAPED" end)
rawset(p, "value", "ESCAPED")
if getmetatable(p) then print("ESCAPED") end
if await(p) ~= 1 then print("ESCAPED the value") end
return found
