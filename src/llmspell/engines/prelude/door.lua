-- Coroutines of the script, the stubs of capabilities, and the door through which the host comes.

-- Coroutines of the script. A wait inside one travels up to the task it runs in.
local co_env = {}
env.coroutine = co_env

local relay
function relay(co, ok, ...)
  if ok and (...) == TOKEN then
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
  local task = current
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
  return function(...) return unguarded(resume(co, ...)) end
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

-- Stubs: one for each capability a program may use, made when it starts.
local function read_only(t, k) bad("cannot set " .. show(k) .. ": a handle is read-only", 2) end

local function output_stub(name)
  return function(...)
    for i = 1, select("#", ...) do
      local text = (select(i, ...))
      if type(text) ~= "string" and type(text) ~= "number" then
        fault({ class = "BadArgument", code = "bad_argument", capability = name, retryable = false,
          message = name .. ": text must be a string, got " .. type(text) })
      end
      write(tostring(text))
    end
  end
end

local function bind_method(kind, verb, role, f)
  local meta = methods[kind]
  if not meta then
    meta = { __index = {}, __newindex = read_only, __name = kind, __metatable = false }
    methods[kind] = meta
  end
  meta.__index[verb] = f
  -- The generic for passes its state and control variable too.
  if role == "iterate" then meta.__call = function(handle) return f(handle) end
  elseif role == "close" then meta.__close = function(handle) return f(handle) end end
end

-- `used` holds the words of the program, or is nil when it may use any.
local function bind(used)
  for name, namespace, verb, method_of, role, alias in
    gmatch(surface, "\n(([^.]+)%.([^\t]+))\t[^\t]*\t([^\t]*)\t([^\t]*)\t([^\n]*)") do
    local wanted = not used or used[namespace] or used[alias]
    if wanted or method_of ~= "" then
      local f = role == "output" and output_stub(name) or function(...) return call(name, ...) end
      if method_of ~= "" then bind_method(method_of, verb, role, f) end
      if wanted and namespace ~= "module" then
        env[namespace] = env[namespace] or {}
        env[namespace][verb] = f
        if alias ~= "" then env[alias] = f end
      end
    end
  end
end

local strings = getmetatable("")
strings.__index, strings.__metatable = env.string, false
for k in next, package.loaded do package.loaded[k] = nil end
for k in next, package do package[k] = nil end
for k in next, G do rawset(G, k, nil) end
setmetatable(G, nil)

-- The door. ------------------------------------------------------------------------------------

local function start(id, f)
  local entry = { id = id, tasks = {}, failures = {}, over = false }
  entries[id] = entry
  entry.main = spawn(entry, f)
end

local doors = {}

-- Drops the globals a program never mentions, and what only they need: a third of the state.
local function prune(used)
  for k in next, env do if not used[k] then env[k] = nil end end
end

function doors.run(id, program, name, params)
  local words, used = match(program, "^%S+\n([^\n]*)\n"), nil
  if words ~= "*" then
    used = {}
    for word in gmatch(words, "[^ ]+") do used[word] = true end
    prune(used)
  end
  bind(used)
  gc("restart")
  gc("collect")
  local fits, value = pcall(decode, params)
  env.params = value
  local f, why = open(program, "=" .. name, env)
  if not fits then f, why = nil, "params: " .. tostring(value) end
  start(id, f or function() error(why, 0) end)
end

function doors.call(id, ref, args)
  local f, list = functions[ref], decode(args)
  start(id, function() return f(unpack(list, 1, #list)) end)
end

function doors.resume(id, ok, payload)
  local task = waiting[id]
  if task then
    waiting[id], task.id = nil, nil
    push(task, ok, payload)
  end
end

function doors.proceed() end

-- Where the script stands while it is not running: a task that wants to go on, or one that waits.
function doors.where()
  local task = ready[first] or waiting[next(waiting)]
  event("where", 0, false, task and to_text(script_frames(task.co), "frames") or "[]")
end

-- One turn. Gives 0 done, 1 waiting, 2 busy, 3 killed; the steps used; then the events.
return function(door, seconds, remaining, ...)
  -- The clock is read when the counter first runs out: most turns end before.
  mark, turn_end, run_end = nil, seconds, remaining
  filled = 0
  doors[door](...)
  if door ~= "where" then schedule() end
  flush()
  local state = killed and 3 or paused and 2 or next(entries) and 1 or 0
  if killed then
    local frames = killed ~= "memory" and current and to_text(script_frames(current.co), "frames")
    event("limit", 0, killed, frames or "[]")
  end
  for i = #events, filled + 1, -1 do events[i] = nil end
  return state, granted - n, unpack(events, 1, filled)
end
