-- The tasks a script runs as, the calls through which every effect leaves, and promises.

-- Tasks. ----------------------------------------------------------------------------------------

local ready, first, last = {}, 1, 0
local waiting = {}                                 -- call id -> task
local entries = {}
local last_id, alive, paused = 0, 0, false
local current
local program                                      -- the entry of the program itself

local function push(task, a, b)
  task.a, task.b = a, b
  last = last + 1
  ready[last] = task
end

-- An entry waits for its tasks, but not for those in the background, nor for what they start.
local function spawn(entry, f, promise, background)
  alive = alive + 1
  if alive > max_tasks then kill("tasks") end
  local kept = entry.tasks
  if background == nil then background = current and current.kept == entry.background end
  if background then
    entry.background = entry.background or {}
    kept = entry.background
  end
  local task = { co = co_create(f), entry = entry, promise = promise, depth = 0, kept = kept, later = background or nil }
  base[task.co] = task
  kept[task] = true
  push(task)
  return task
end

local DROPPED = {}                                 -- stands for a task that is no more: no script may resume it
local drop
function drop(task)
  if not task.dropped then
    base[task.co] = DROPPED
    alive = alive - 1
    task.kept[task] = nil
    if task.id then
      waiting[task.id] = nil
      event("cancel", task.id, false, false)
    end
    task.dropped = true
    if task.on_drop then task.on_drop(task) end
    for i = 1, task.runners and #task.runners or 0 do drop(task.runners[i]) end
  end
end

local function drop_all(tasks)
  for task in next, tasks do drop(task) end
end

-- Puts the end of an entry off until the host has given a part.
local unfinished = {}
local function lacks(part, entry)
  if need(part) then return false end
  unfinished[#unfinished + 1] = entry
  event("need", 0, part, false)
  paused = true
  return true
end

local function finish(entry)
  entries[entry.id] = nil
  if entry.background then drop_all(entry.background) end
  local ok, value, co = entry.ok, entry.value, entry.co
  if ok then
    for promise in next, entry.failures do
      local state = promises[promise]
      ok, value, co = false, state.value, state.co
      break
    end
  end
  if ok then
    local text, why = plain(value), nil
    if not text then
      if lacks("composites", entry) then return end
      text, why = to_text(value, "the result")
    end
    if text then
      event("done", entry.id, text .. "", false)
      return
    end
    value, co = why, nil
  end
  if lacks("reports", entry) then return end
  event("fail", entry.id, need("reports").report(value, co, entry.said), false)
end

local settle                                       -- a promise
local function ended(task, ok, value)
  local entry = task.entry
  task.id = nil
  drop(task)
  if task.promise then settle(task.promise, ok, value, not ok and task.co) end
  if task == entry.main then
    entry.over, entry.ok, entry.value, entry.co = true, ok, value, not ok and task.co
    if not ok then
      drop_all(entry.tasks)
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
    if task.on_wait and what ~= PAUSE and (what ~= WAIT or x) then task.on_wait() end
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
    elseif what == WAIT and not x then
      push(task)                                   -- it only lets others have their turn
    elseif what == WAIT then
      local state = promises[x]
      state[#state + 1] = task
      task.awaits = x
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
  if not paused and not killed and first > last and next(waiting) == nil and next(entries) ~= nil then
    local reports = need("reports")
    if reports then
      for _, entry in next, entries do reports.deadlock(entry, {}) end
    else
      event("need", 0, "reports", false)
      paused = true
    end
  end
end

-- Calls out. ------------------------------------------------------------------------------------

local function within_text()
  return within and "inside the callback of " .. within or "here: a built-in function is running"
end

-- What a parameter is called, for an error message.
local function param(name, i)
  local line = "\n" .. gsub(name, "%.", "%%.") .. "\t([^\t]*)\t"
  local params = match(surface, line) or made.handles and match(made.handles.methods, line)
  for word in gmatch(params or "", "[^,]+") do
    i = i - 1
    if i == 0 then return word end
  end
  return "argument"
end

local function encode_args(name, count, ...)
  if count == 0 then return "[]" end
  local args, values = { ... }, 0
  for i = 1, count do
    local text, told = to_text(args[i], "", values)
    if text and told > 100000 then text, told = nil, " is one of more than 100000 values" end
    if not text then
      fault({ class = "BadArgument", code = "bad_argument", message = name .. ": " .. param(name, i) .. told,
        capability = name, retryable = false })
    end
    args[i], values = text, told
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
