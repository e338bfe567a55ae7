-- The stubs of capabilities, and the door through which the host comes.

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

local LINE = "\n(([^.]+)%.([^\t]+))\t[^\t]*\t([^\t]*)\t([^\t]*)\t([^\n]*)"

local stubs = {}
local function stub(name, role)
  local f = stubs[name]
  if not f then
    f = role == "output" and output_stub(name) or function(...) return call(name, ...) end
    stubs[name] = f
  end
  return f
end

-- `wanted` holds the lines of the surface the program mentions.
local function bind(wanted)
  for name, namespace, verb, _, role, alias in gmatch(wanted, LINE) do
    if namespace ~= "module" then
      local f = stub(name, role)
      env[namespace] = env[namespace] or {}
      env[namespace][verb] = f
      if alias ~= "" then env[alias] = f end
    end
  end
end

-- The metatable of handles of one kind, made when the first one arrives.
function methods_of(kind)
  local own = {}
  local meta = { __index = own, __newindex = read_only, __name = kind, __metatable = false }
  for name, _, verb, method_of, role in gmatch(surface, LINE) do
    if method_of == kind then
      local f = stub(name, role)
      own[verb] = f
      -- The generic for passes its state and control variable too.
      if role == "iterate" then meta.__call = function(handle) return f(handle) end
      elseif role == "close" then meta.__close = function(handle) return f(handle) end end
    end
  end
  methods[kind] = meta
  return meta
end

-- The door. ------------------------------------------------------------------------------------

local function start(id, f)
  local entry = { id = id, tasks = {}, failures = {}, over = false }
  entries[id] = entry
  entry.main = spawn(entry, f)
end

local doors = {}

function doors.run(id, program, name, wanted, params, seed, steps, tasks, depth, ...)
  parts = { ... }
  max_steps, max_tasks, max_depth = steps, tasks, depth
  randomseed(seed)
  furnish(match(program, "^%S+\n([^\n]*)\n"))
  bind(wanted)
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
  local ok, e = pcall(doors[door], ...)
  if ok and door ~= "where" then ok, e = pcall(schedule) end
  if not ok and not killed then
    if not rawequal(e, OOM) then error(e, 0) end
    killed = "memory"
  end
  flush()
  local state = killed and 3 or paused and 2 or next(entries) and 1 or 0
  if killed then
    local frames = killed ~= "memory" and current and to_text(script_frames(current.co), "frames")
    event("limit", 0, killed, frames or "[]")
  end
  for i = #events, filled + 1, -1 do events[i] = nil end
  return state, granted - n, unpack(events, 1, filled)
end

