-- Coroutines of the script. A wait inside one travels up to the task it runs in.

local inside = ...
local type, rawequal, bad, checked, unguarded, base, parked, TOKEN, running_task, co_create, co_resume,
  co_status, co_close, yield, running, yieldable =
  inside.type, inside.rawequal, inside.bad, inside.checked, inside.unguarded, inside.base, inside.parked,
  inside.TOKEN, inside.running_task, inside.co_create, inside.co_resume, inside.co_status,
  inside.co_close, inside.yield, inside.running, inside.yieldable

local co_env = {}
local relay
function relay(co, ok, ...)
  if ok and rawequal((...), TOKEN) then
    if not yieldable() then return relay(co, co_resume(co, nil)) end
    parked[co] = true
    return relay(co, (function(...) parked[co] = nil return co_resume(co, ...) end)(yield(...)))
  end
  return checked(ok, ...)
end

local MAX_DEPTH = 100                              -- each level takes a piece of the C stack
local function resumed(task, ...)
  task.depth = task.depth - 1
  return ...
end

local function resume(co, ...)
  if base[co] or parked[co] then return false, "cannot resume non-suspended coroutine" end
  local task = running_task()
  if task.depth >= MAX_DEPTH then return false, "coroutines are nested too deep" end
  task.depth = task.depth + 1
  return resumed(task, relay(co, co_resume(co, ...)))
end

function co_env.create(f)
  if type(f) ~= "function" then bad("bad argument #1 to 'create' (function expected)", 2) end
  return co_create(f)
end
function co_env.resume(co, ...)
  if type(co) ~= "thread" then bad("bad argument #1 to 'resume' (coroutine expected)", 2) end
  return resume(co, ...)
end
function co_env.wrap(f)
  if type(f) ~= "function" then bad("bad argument #1 to 'wrap' (function expected)", 2) end
  local co = co_create(f)
  local function ended(ok, ...)
    if ok or not co_close or co_status(co) ~= "dead" then return unguarded(ok, ...) end
    local before, e = checked(co_close(co))        -- its variables are closed, if it has just failed
    if before then return unguarded(false, ...) end
    return unguarded(false, e)
  end
  return function(...) return ended(resume(co, ...)) end
end
function co_env.yield(...)
  local co = running()
  if co == nil or base[co] then bad("attempt to yield from outside a coroutine", 2) end
  return yield(...)
end
function co_env.running()
  local co = running()
  return co, base[co] ~= nil
end
function co_env.status(co)
  if type(co) ~= "thread" then bad("bad argument #1 to 'status' (coroutine expected, got " .. type(co) .. ")", 2) end
  if parked[co] then return "normal" end
  return co_status(co)
end
function co_env.isyieldable()
  local co = running()
  return base[co] == nil and yieldable()
end
if co_close then
  function co_env.close(co)
    if base[co] or parked[co] then bad("cannot close a running coroutine", 2) end
    return checked(co_close(co))
  end
end

return { coroutine = co_env }
