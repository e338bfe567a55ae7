-- The tasks a script runs as, the calls through which every effect leaves, and promises.

-- Tasks. ----------------------------------------------------------------------------------------

local ready, first, last = {}, 1, 0
local waiting = {}                                 -- call id -> task
local entries = {}
local last_id, alive, paused = 0, 0, false
local current

local function push(task, a, b)
  task.a, task.b = a, b
  last = last + 1
  ready[last] = task
end

local function spawn(entry, f, promise)
  alive = alive + 1
  if alive > max_tasks then kill("tasks") end
  local task = { co = co_create(f), entry = entry, promise = promise, depth = 0 }
  base[task.co] = task
  entry.tasks[task] = true
  push(task)
  return task
end

local DROPPED = {}                                 -- stands for a task that is no more: no script may resume it
local drop
function drop(task)
  if not task.dropped then
    base[task.co] = DROPPED
    alive = alive - 1
    task.entry.tasks[task] = nil
    if task.id then
      waiting[task.id] = nil
      event("cancel", task.id, false, false)
    end
    task.dropped = true
    for i = 1, task.runners and #task.runners or 0 do drop(task.runners[i]) end
  end
end

-- Text of the script for an error message: valid, and no longer than can cross.
local function clipped(text)
  if #text > 65536 then text = sub(text, 1, 65536) .. "..." end
  return is_utf8(text) and text or (gsub(text, "[\128-\255]", "?"))
end

-- What the host is told of an uncaught error, as text.
local function report(e, co, text)
  local said = { kind = "error", frames = co and script_frames(co) or nil }
  if faults[e] then
    -- The script may have put anything into its error object.
    said.kind, said.where, said.class, said.called = "fault", faults[e].where, faults[e].class, faults[e].called
    said.retryable = rawget(e, "retryable") == true
    for _, k in next, { "code", "message", "capability" } do
      local v = rawget(e, k)
      if type(v) == "string" then said[k] = clipped(v) end
    end
  elseif type(e) == "string" or type(e) == "number" then
    said.message = clipped(tostring(e))
  else
    local message = type(e) == "table" and rawget(e, "message")
    if type(message) == "string" then said.message = clipped(message) end
    said.kind, said.type, said.value = "value", type(e), (to_text(e, "error"))
    said.message = text or said.message
  end
  return to_text(said, "error") or '{"kind":"error","message":"an error that cannot be told"}'
end

local function finish(entry)
  entries[entry.id] = nil
  local ok, value, co = entry.ok, entry.value, entry.co
  if ok then
    for promise in next, entry.failures do
      local state = promises[promise]
      ok, value, co = false, state.value, state.co
      break
    end
  end
  if ok then
    local text, why = to_text(value, "the result")
    if text then
      event("done", entry.id, text, false)
      return
    end
    value, co = why, nil
  end
  event("fail", entry.id, report(value, co, entry.said), false)
end

local function settle(promise, ok, value, co)
  local state = promises[promise]
  if state.done then return end
  state.done, state.ok, state.value, state.co = true, ok, value, co
  if not ok and not state.watched then state.entry.failures[promise] = true end
  for i = 1, #state do push(state[i], true) end
  for i = #state, 1, -1 do state[i] = nil end
end

local function ended(task, ok, value)
  local entry = task.entry
  task.id = nil
  drop(task)
  if task.promise then settle(task.promise, ok, value, not ok and task.co) end
  if task == entry.main then
    entry.over, entry.ok, entry.value, entry.co = true, ok, value, not ok and task.co
    if not ok then
      for other in next, entry.tasks do drop(other) end
      local meta = type(value) == "table" and not faults[value] and raw_metatable(value)
      if type(meta) == "table" and rawget(meta, "__tostring") then
        -- An error object may word itself, but as a task: its code is code of the script.
        spawn(entry, function()
          local told, text = pcall(show, value)
          if told then entry.said = text end
        end)
      end
    end
  end
  if entry.over and next(entry.tasks) == nil then finish(entry) end
end

local function step(task, ok, tag, what, x, y)
  if killed or task.dropped then return end
  if ok and rawequal(tag, TOKEN) then
    if what == CALL or what == LOAD then
      last_id = last_id + 1
      task.id = last_id
      waiting[last_id] = task
      event(what == CALL and "call" or "load", last_id, x, y)
    elseif what == PAUSE then
      -- To the front: tasks of one script take turns only where they wait.
      paused = true
      task.a, task.b, first = true, nil, first - 1
      ready[first] = task
    elseif what == WAIT then
      local state = promises[x]
      state[#state + 1] = task
    end
  elseif not ok and rawequal(tag, OOM) then
    killed = "memory"
  else
    ended(task, ok, tag)
  end
end

local function schedule()
  paused = false
  while first <= last and not paused and not killed do
    if filled > 2000 then paused = true break end
    local task = ready[first]
    ready[first] = nil
    first = first + 1
    if first > last then first, last = 1, 0 end
    if not task.dropped then
      current = task
      if task.started then
        step(task, co_resume(task.co, task.a, task.b))
      else
        task.started = true
        step(task, co_resume(task.co))
      end
    end
  end
  if not paused and not killed and first > last and next(waiting) == nil then
    for _, entry in next, entries do
      local where_ = script_frames(entry.main.co)[1]
      entry.over, entry.ok, entry.co = true, false, entry.main.co
      entry.value = (where_ and where_[1] .. ":" .. where_[2] .. ": " or "")
        .. "deadlock: every task waits for another one"
      finish(entry)
    end
  end
end

-- Calls out. ------------------------------------------------------------------------------------

local function within_text()
  return within and "inside the callback of " .. within or "here: a built-in function is running"
end

-- What a parameter is called, for an error message.
local function param(name, i)
  local params = match(surface, "\n" .. gsub(name, "%.", "%%.") .. "\t([^\t]*)\t")
  for word in gmatch(params or "", "[^,]+") do
    i = i - 1
    if i == 0 then return word end
  end
  return "argument"
end

local function encode_args(name, count, ...)
  if count == 0 then return "[]" end
  local args = { ... }
  for i = 1, count do
    local text, why = to_text(args[i], "")
    if not text then
      fault({ class = "BadArgument", code = "bad_argument", message = name .. ": " .. param(name, i) .. why,
        capability = name, retryable = false })
    end
    args[i] = text
  end
  return "[" .. concat(args, ",", 1, count) .. "]"
end

local function answered(name, ok, payload)
  if ok then return decode(payload) end
  if ok == nil then
    fault({ code = "failed", message = name .. " cannot be called " .. within_text()
      .. ", where Lua cannot wait; collect what you need first, then call it outside",
      capability = name, retryable = false })
  end
  local e = decode(payload)
  e.called = name
  fault(e)
end

local function call(name, ...)
  if killed then kill(killed) end
  if not yieldable() then answered(name, nil) end
  return answered(name, yield(TOKEN, CALL, name, encode_args(name, select("#", ...), ...)))
end

-- Runs a built-in that calls back into the script. Nested too deep, LuaJIT would overflow the
-- stack of the process.
local nesting, MAX_NESTING = 0, 40
local function guarded(name, f, ...)
  if nesting >= MAX_NESTING then bad(name .. " is nested too deep", 3) end
  local before = within
  within, nesting = name, nesting + 1
  local function after(...)
    within, nesting = before, nesting - 1
    return checked(...)
  end
  return after(pcall(f, ...))
end

local function unguarded(ok, ...)
  if ok then return ... end
  error((...), 0)
end
