-- Promises: async, await, cancel, parallel. Their handlers are in chains.lua.

local inside = ...
local error, pcall, select, type, next, setmetatable, rawget, rawlen, unpack, bad, show, checked,
  suspend, within_text, promises, faults, fault_meta, spawn, drop, settle, push, running_task,
  program, need, call, fault, yieldable, huge, handles,
  write_promise, raw_metatable, rawequal, null, WAIT =
  inside.error, inside.pcall, inside.select, inside.type, inside.next, inside.setmetatable,
  inside.rawget, inside.rawlen, inside.unpack, inside.bad, inside.show, inside.checked,
  inside.suspend, inside.within_text, inside.promises, inside.faults, inside.fault_meta,
  inside.spawn, inside.drop, inside.settle, inside.push, inside.running_task,
  inside.program, inside.need, inside.call, inside.fault, inside.yieldable, inside.math.huge,
  inside.handles, inside.write_promise, inside.raw_metatable, inside.rawequal, inside.env.null, inside.WAIT

local promise_methods = setmetatable({}, {
  __index = function(methods, name)
    setmetatable(methods, nil)
    for k, f in next, need("chains").methods do methods[k] = f end
    return methods[name]
  end,
})
local function new_promise(entry, later)
  local task = running_task()
  return setmetatable({}, {
    __index = promise_methods, __newindex = write_promise, __metatable = false,
    entry = entry or task.entry, later = later or task.later,
  })
end

-- Somebody will see how it ends.
local function watch(promise)
  local state = promises[promise]
  state.watched = true
  if state.noted then state.noted.failures[promise] = nil end
end

-- Whether a value may be a promise of the script's own making.
local function follows(value)
  if type(value) ~= "table" or handles[value] or faults[value] or rawequal(value, null) then return false end
  if rawget(value, "and_then") ~= nil then return true end
  local meta = raw_metatable(value)
  return type(meta) == "table" and rawget(meta, "__index") ~= nil
end

-- A task whose end settles a promise; a promise that it gives is followed.
local function follow(promise, background, entry, f, ...)
  local args, count = { ... }, select("#", ...)
  local state = promises[promise]
  state.task = spawn(entry, function()
    local value = f(unpack(args, 1, count))
    if promises[value] or follows(value) then
      running_task().promise, state.task = nil, nil
      need("chains").resolve(promise, value)
    end
    return value
  end, promise, background)
  return promise
end

local function async(f, ...)
  if type(f) ~= "function" then bad("async: expected a function, got " .. type(f), 2) end
  return follow(new_promise(), nil, running_task().entry, f, ...)
end

-- A background task of the program: it is cancelled when the program has ended.
local function background(f, ...)
  if type(f) ~= "function" then bad("spawn: expected a function, got " .. type(f), 2) end
  local entry = program()
  local promise = new_promise(entry, true)
  return follow(promise, true, entry, f, ...)
end

-- Cancelling. A promise that nobody else waits for is cancelled with the one that waited for it.
local forsaken
local function forsake(promise)
  local state = promises[promise]
  state.uses = state.uses - 1
  if state.uses == 0 and not state.done and (state.task or state.source or state.sources) then
    forsaken[#forsaken + 1] = promise
  end
end

local function abandon(promise)
  forsaken = { promise }
  while #forsaken > 0 do
    local state = promises[forsaken[#forsaken]]
    local task, source, sources = state.task, state.source, state.sources
    if not state.done and (not task or task ~= running_task()) then
      state.task, state.source, state.sources, state.watched = nil, nil, nil, true
      local e = { code = "cancelled", message = "the task was cancelled", capability = "cancel", retryable = false }
      faults[e] = { where = "", class = "Cancelled", quiet = true }
      settle(forsaken[#forsaken], false, setmetatable(e, fault_meta))
      forsaken[#forsaken] = nil
      if task then drop(task) end
      if source then forsake(source) end
      for i = 1, sources and #sources or 0 do forsake(sources[i]) end
    else
      forsaken[#forsaken] = nil
    end
  end
  forsaken = nil
end

-- The task that waited is no more.
local function left(task)
  local promise = task.awaits
  local state = promises[promise]
  if state.done or task.entry.over and not task.entry.ok then return end
  for i = 1, #state do
    if state[i] == task then
      for j = i, #state do state[j] = state[j + 1] end
      break
    end
  end
  if forsaken then
    forsake(promise)
  else
    forsaken = {}
    forsake(promise)
    local alone = forsaken[1]
    forsaken = nil
    if alone then abandon(alone) end
  end
end

local function cancel(promise)
  local state = promises[promise]
  if not state then bad("cancel: expected a promise, got " .. type(promise), 2) end
  if state.done then return false end
  if state.task and state.task == running_task() then bad("cancel: a task cannot cancel itself", 2) end
  abandon(promise)
  return true
end

-- Wakes a task that waits for a promise after some seconds, if it still does.
local function alarm(task, state, seconds)
  return spawn(task.entry, function()
    local ok, e = checked(pcall(call, "time.sleep", seconds))
    if state.done or task.dropped then return end
    for i = 1, #state do
      if state[i] == task then
        for j = i, #state do state[j] = state[j + 1] end
        break
      end
    end
    push(task, true, ok and "late" or e)
  end)
end

local function await(promise, timeout)
  local state = promises[promise]
  if not state then bad("await: expected a promise, got " .. type(promise), 2) end
  if timeout ~= nil and (type(timeout) ~= "number" or not (timeout >= 0 and timeout < huge)) then
    bad("await: timeout must be a number of seconds from 0, got " .. show(timeout), 2)
  end
  watch(promise)
  if not state.done then
    if not yieldable() then bad("await cannot be called " .. within_text() .. ", where Lua cannot wait", 2) end
    local task = running_task()
    local clock = timeout and alarm(task, state, timeout)
    task.runners, task.on_drop = clock and { clock }, left
    state.uses = (state.uses or 0) + 1
    local _, late = suspend(WAIT, promise)
    state.uses = state.uses - 1
    task.runners, task.on_drop, task.awaits = nil, nil, nil
    if clock then drop(clock) end
    if not state.done then
      if late ~= "late" then error(late, 0) end
      fault({ class = "HostFailure", code = "timeout", capability = "await", retryable = true,
        message = "await: the promise was not settled within " .. show(timeout) .. " s" })
    end
  end
  if state.ok then return state.value end
  error(state.value, 0)
end

promise_methods.await, promise_methods.cancel = await, cancel
function promise_methods.done(promise) return promises[promise].done == true end

-- Runs functions (or awaits promises) at the same time; the first failure cancels the rest.
local function parallel(list, options)
  if type(list) ~= "table" then bad("parallel: expected a list of functions, got " .. type(list), 2) end
  local count, limit = rawlen(list), nil
  if type(options) == "table" then
    limit = rawget(options, "limit")
    for k in next, options do
      if k ~= "limit" then bad("parallel: options." .. show(k) .. " is not known; there is limit", 2) end
    end
  elseif options ~= nil then
    bad("parallel: options must be a map, got " .. type(options), 2)
  end
  if limit ~= nil and (type(limit) ~= "number" or limit < 1) then
    bad("parallel: limit must be a number above 0", 2)
  end
  for i = 1, count do
    if type(list[i]) ~= "function" and not promises[list[i]] then
      bad("parallel: item " .. i .. " must be a function or a promise, got " .. type(list[i]), 2)
    end
  end
  local results, taken, over, runners = {}, 0, 0, {}
  local all = new_promise()
  promises[all].watched = true
  local function run()
    while taken < count do
      taken = taken + 1
      local i = taken
      local item = list[i]
      if type(item) == "function" then results[i] = item() else results[i] = await(item) end
      over = over + 1
    end
    if over == count then settle(all, true, results) end
  end
  for i = 1, limit and limit < count and limit or count do
    runners[i] = spawn(running_task().entry, function()
      local ok, e = checked(pcall(run))
      if not ok then settle(all, false, e) end
    end)
  end
  if count == 0 then settle(all, true, results) end
  local state, task = promises[all], running_task()
  task.runners = runners
  while not state.done do
    if not suspend(WAIT, all) then
      bad("parallel cannot be called " .. within_text() .. ", where Lua cannot wait", 2)
    end
  end
  task.runners = nil
  if state.ok then return results end
  for i = 1, #runners do drop(runners[i]) end
  error(state.value, 0)
end
return { new = new_promise, watch = watch, follows = follows, async = async, spawn = background, await = await, parallel = parallel }
