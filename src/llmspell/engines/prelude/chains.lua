-- What follows on promises: handlers, promises made of others, and the library `promise`.
--
-- Handlers are jobs. Those of an entry run one after the other in one task, its runner, which gives way
-- after each round of them; one that has to wait keeps the task, and the rest go on in another. So a
-- chain of any length needs no stack, and a handler counts as a task of its own only while it waits.

local inside = ...
local pcall, type, rawequal, rawget, rawlen, setmetatable, bad, show, checked, counted, suspend, promises,
  handles, faults, fault_meta, spawn, settle, running_task, alive_entry,
  script_frames, hooks, WAIT =
  inside.pcall, inside.type, inside.rawequal, inside.rawget, inside.rawlen, inside.setmetatable,
  inside.bad, inside.show, inside.checked, inside.counted, inside.suspend, inside.promises,
  inside.handles, inside.faults, inside.fault_meta,
  inside.spawn, inside.settle, inside.running_task, inside.alive_entry,
  inside.script_frames, inside.hooks, inside.WAIT
local base = inside.need("promises")
local new_promise, watch, follows, async, await = base.new, base.watch, base.follows, base.async, base.await

local run                                          -- does one job

-- Jobs. -----------------------------------------------------------------------------------------

-- A job is a list: the promise it settles, a handler or false for either outcome, and whether these are
-- told nothing and change nothing. Or it has `take`, a function of ours that is told the state.

local function start(queue)
  local task = spawn(queue.entry, function()
    local task = running_task()
    while queue.runner == task and queue.first < queue.last do
      local stop = queue.last                      -- those that are there now; then others have a turn
      while queue.first < stop and queue.runner == task do
        local first = queue.first
        local job, state = queue[first], queue[first + 1]
        queue[first], queue[first + 1], queue.first = nil, nil, first + 2
        counted()
        run(task, job, state)
      end
      if queue.runner == task and queue.first < queue.last then suspend(WAIT) end
    end
  end, nil, queue.later)
  queue.runner = task
  -- A handler raised an error, was cancelled, or has come to the end.
  local function over()
    if queue.runner == task then
      queue.runner = nil
      if queue.first < queue.last and alive_entry(queue.entry) then start(queue) end
    end
  end
  function task.on_wait()
    task.on_wait, task.on_drop = nil, task.on_drop ~= over and task.on_drop or nil
    over()
  end
  task.on_drop = over
end

-- Has a job done, in the entry of its promise; if that has ended, in that of the running task.
local function release(job, state)
  local to = promises[job[1]]
  local entry, later = to.entry, to.later
  if not alive_entry(entry) then
    if entry.over and not entry.ok then return end -- it has failed: nothing of it goes on
    entry, later = running_task().entry, running_task().later
    if not alive_entry(entry) then return end
  end
  local key = later and "later" or "jobs"
  local queue = entry[key]
  if not queue then
    queue = { entry = entry, later = later, first = 1, last = 1 }
    entry[key] = queue
  end
  local last = queue.last
  queue[last], queue[last + 1], queue.last = job, state, last + 2
  if not queue.runner then start(queue) end
end
hooks.release = release

-- Has a job done when a promise is settled, or next if it is.
local function attach(promise, job)
  local state = promises[promise]
  watch(promise)
  state.uses = (state.uses or 0) + 1
  if state.done then release(job, state) else state[#state + 1] = job end
end

-- Where a script stands, for what it rejects a promise with.
local function here()
  local frames = script_frames()
  return frames[1] and { frames[1] } or nil
end

-- Resolving. ------------------------------------------------------------------------------------

local resolve

local function reject(promise, reason) settle(promise, false, reason, here()) end

-- Two functions of which only the first call counts.
local function resolvers(promise)
  local called = false
  return function(value)
    if not called then
      called = true
      resolve(promise, value)
    end
  end, function(reason)
    if not called then
      called = true
      reject(promise, reason)
    end
  end
end

-- Takes the state of a table that has the method `and_then`, which is code of the script.
local function assimilate(promise, value)
  return function()
    if promises[promise].done then return end
    local fulfil, refuse = resolvers(promise)
    local ok, e = checked(pcall(function()
      local and_then = value.and_then
      if type(and_then) == "function" then
        and_then(value, fulfil, refuse)
      else
        settle(promise, true, value)
      end
    end))
    if not ok then refuse(e) end
  end
end

function resolve(promise, value)
  local state = promises[promise]
  if state.done then return end
  if rawequal(value, promise) then
    reject(promise, "a promise cannot be resolved with itself")
  elseif promises[value] then
    state.source = value
    attach(value, { promise })
  elseif follows(value) then
    release({ promise, take = assimilate(promise, value) }, state)
  else
    settle(promise, true, value)
  end
end

function run(task, job, from)
  if job.take then return job.take(from) end
  local promise = job[1]
  local state = promises[promise]
  if state.done then return end                    -- cancelled
  local handler = from.ok and job[2] or not from.ok and job[3]
  state.source = nil
  if not handler then return settle(promise, from.ok, from.value, from.co) end
  state.task, task.promise = task, promise
  local value
  if job[4] then value = handler() else value = handler(from.value) end
  state.task, task.promise = nil, nil
  if not job[4] then return resolve(promise, value) end
  if promises[value] == nil and not follows(value) then return settle(promise, from.ok, from.value, from.co) end
  local waited = new_promise()
  state.source = waited
  resolve(waited, value)
  attach(waited, { promise, take = function(over)
    if over.ok then over = from end
    settle(promise, over.ok, over.value, over.co)
  end })
end

-- Methods. --------------------------------------------------------------------------------------

local methods = {}

local function derive(name, promise, job)
  if not promises[promise] then bad("promise:" .. name .. ": call it as a method, with a colon", 3) end
  job[1] = new_promise()
  promises[job[1]].source = promise
  attach(promise, job)
  return job[1]
end

local function handler(f) return type(f) == "function" and f or false end

function methods.next(promise, on_ok, on_error)
  return derive("next", promise, { false, handler(on_ok), handler(on_error) })
end
methods.and_then = methods.next
function methods.catch(promise, on_error) return derive("catch", promise, { false, false, handler(on_error) }) end
function methods.finally(promise, f)
  return derive("finally", promise, { false, handler(f), handler(f), true })
end

-- The library. ----------------------------------------------------------------------------------

local promise = {}

function promise.new(executor)
  if type(executor) ~= "function" then bad("promise.new: expected a function, got " .. type(executor), 2) end
  local made = new_promise()
  local fulfil, refuse = resolvers(made)
  local ok, e = checked(pcall(executor, fulfil, refuse))
  if not ok then refuse(e) end
  return made
end

function promise.resolve(value)
  if promises[value] then return value end
  local made = new_promise()
  resolve(made, value)
  return made
end

function promise.reject(reason)
  local made = new_promise()
  reject(made, reason)
  return made
end

-- Makes a promise of a list of them. `take(i, state, made)` is told how each ended, and its answer
-- settles the promise; with none, `values` fulfil it when `left` of them have been kept.
local function gather(name, list, take)
  if type(list) ~= "table" or promises[list] or handles[list] then
    bad("promise." .. name .. ": expected a list of promises, got " .. (promises[list] and "promise" or type(list)), 3)
  end
  local count = rawlen(list)
  local made, values, left, sources = new_promise(), {}, count, {}
  promises[made].sources = sources
  local function keep(i, value)
    values[i] = value
    left = left - 1
    return left == 0
  end
  for i = 1, count do
    counted()
    sources[i] = promise.resolve(rawget(list, i))
    attach(sources[i], { made, take = function(state) take(i, state, made, keep, values) end })
  end
  return made, count, values
end

local function fulfilled_empty(made, count, values)
  if count == 0 then settle(made, true, values) end
  return made
end

local function pass(made, state) settle(made, state.ok, state.value, state.co) end

function promise.all(list)
  return fulfilled_empty(gather("all", list, function(i, state, made, keep, values)
    if not state.ok then pass(made, state)
    elseif keep(i, state.value) then settle(made, true, values) end
  end))
end

function promise.all_settled(list)
  return fulfilled_empty(gather("all_settled", list, function(i, state, made, keep, values)
    local record = state.ok and { status = "fulfilled", value = state.value }
      or { status = "rejected", reason = state.value }
    if keep(i, record) then settle(made, true, values) end
  end))
end

function promise.race(list)
  return (gather("race", list, function(_, state, made) pass(made, state) end))
end

local function none(made, errors, frames)
  local e = { code = "all_rejected", message = "promise.any: every promise was rejected", errors = errors,
    capability = "promise.any", retryable = false, type = "ScriptFailure" }
  faults[e] = { where = "", class = "ScriptFailure" }
  settle(made, false, setmetatable(e, fault_meta), frames)
end

function promise.any(list)
  local frames = here()
  local made, count, errors = gather("any", list, function(i, state, made, keep, errors)
    if state.ok then pass(made, state) elseif keep(i, state.value) then none(made, errors, frames) end
  end)
  if count == 0 then none(made, errors, frames) end
  return made
end

function promise.timeout(of, seconds)
  if not promises[of] then bad("promise.timeout: expected a promise, got " .. type(of), 2) end
  if type(seconds) ~= "number" or not (seconds >= 0 and seconds < 1e9) then
    bad("promise.timeout: seconds must be a number from 0, got " .. show(seconds), 2)
  end
  return async(function() return await(of, seconds) end)
end

return { promise = promise, methods = methods, resolve = resolve }
