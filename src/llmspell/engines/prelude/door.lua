-- The stubs of capabilities, and the door through which the host comes.

-- Nothing of the globals is left: what is used from here on was captured before.
for k in next, package.loaded do package.loaded[k] = nil end
for k in next, package do package[k] = nil end
for k in next, G do rawset(G, k, nil) end
setmetatable(G, nil)

-- Stubs: one for each capability a program may use, made when it starts.
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

local LINE = "\n(([^\t]+)%.([^.\t]+))\t[^\t]*\t([^\t]*)\t([^\t]*)\t([^\n]*)"

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
      local f, place = stub(name, role), env
      for word in gmatch(namespace, "[^.]+") do
        place[word] = place[word] or {}
        place = place[word]
      end
      place[verb] = f
      if alias ~= "" then env[alias] = f end
    end
  end
end

-- The door. ------------------------------------------------------------------------------------

local function start(id, f)
  local entry = { id = id, tasks = {}, failures = {}, over = false }
  entries[id], program = entry, program or entry
  entry.main = spawn(entry, f)
end

inside.stub = stub                                 -- for the methods of handles

function doors.run(id, program, name, wanted, params, seed, steps, soft, kilobytes, tasks, depth, ...)
  supply(...)
  max_steps, soft_steps, soft_memory, max_tasks, inside.max_depth = steps, soft, kilobytes, tasks, depth
  randomseed(seed)
  if furnish then furnish(match(program, "^%S+\n([^\n]*)\n")) end
  bind(wanted)
  surface, inside.surface = wanted, wanted
  gc("restart")
  gc("collect")
  local fits, value = pcall(decode, params)
  env.params = value
  local f, why = open(program, "=" .. name, env)
  if not fits then f, why = nil, "params: " .. tostring(value) end
  start(id, f or function() error(why, 0) end)
end

function doors.call(id, ref, args, ...)
  supply(...)
  local f, list = functions[ref], decode(args)
  if type(ref) == "string" then
    f = rawget(env, ref)
    if type(f) ~= "function" then return event("done", id, "null", false) end
    max_tasks = max_tasks + 1                      -- a script at its limit of tasks is warned too
  end
  start(id, function() return f(unpack(list, 1, #list)) end)
  if type(ref) == "string" then                    -- before a busy task goes on, which may end the run
    first, last = first - 1, last - 1
    ready[first], ready[last + 1] = ready[last + 1], nil
  end
end

function doors.resume(id, ok, payload, ...)
  supply(...)
  local task = waiting[id]
  if task then
    waiting[id], task.id = nil, nil
    push(task, ok, payload)
  elseif ok and find(payload, '"\\u0000handle"', 1, true) then
    checked(pcall(decode, payload))                -- a handle that nobody waits for is told as dropped
  end
end

function doors.proceed() end

-- The host gives what was asked for.
function doors.supply(...)
  supply(...)
  local ends = unfinished
  unfinished = {}
  for i = 1, #ends do finish(ends[i]) end
end

-- Nobody waits for this entry any more.
function doors.abandon(id)
  local entry = entries[id]
  if entry then
    entries[id] = nil
    drop_all(entry.tasks)
    if entry.background then drop_all(entry.background) end
  end
end

-- The host says that nobody is left who could answer a call: what each waits for, by number.
function doors.deadlock(told, ...)
  supply(...)
  told = decode(told)
  for _, entry in next, entries do need("reports").deadlock(entry, told) end
end

-- Where the script stands while it is not running: a task that wants to go on, or one that waits.
function doors.where()
  local task = ready[first] or waiting[next(waiting)]
  event("where", 0, false, task and places(task.co) or "[]")
end

-- One turn. Gives 0 done, 1 waiting, 2 busy, 3 killed; the steps used; tasks alive; then the events.
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
  if hooks.tell and door ~= "where" then hooks.tell() end
  local state = killed and 3 or paused and 2 or next(entries) and 1 or 0
  if killed then
    local frames = killed ~= "memory" and current and places(current.co)
    event("limit", 0, killed, frames or "[]")
  end
  for i = #events, filled + 1, -1 do events[i] = nil end
  return state, granted - n, alive, unpack(events, 1, filled)
end

