-- attack: resumes, wraps, closes and yields from the coroutine the program itself runs in
-- expect: ok 0

local found = 0
local main, is_main = coroutine.running()
local function try(name, f, ...)
  if pcall(f, ...) then
    print("ESCAPED " .. name)
    found = found + 1
  end
end
if not is_main or coroutine.isyieldable() then print("ESCAPED") end
try("yield", coroutine.yield, 1)
try("close", coroutine.close, main)
coroutine.wrap(function()
  try("close from within", coroutine.close, main)
  if coroutine.resume(main) then print("ESCAPED resume") end
end)()
await(async(function()
  sleep(0.001)
  try("close from a task", coroutine.close, main)
  try("yield from a task", coroutine.yield, 1)
  if coroutine.resume(main, true, "ESCAPED") then print("ESCAPED resume from a task") end
end))
return found
