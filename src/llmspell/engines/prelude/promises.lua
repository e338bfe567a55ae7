-- Promises: async, await, cancel, parallel.

local inside = ...
local error, pcall, select, type, next, setmetatable, rawget, rawlen, unpack, bad, show, checked,
  suspend, within_text, promises, faults, fault_meta, spawn, drop, settle, running_task,
  WAIT =
  inside.error, inside.pcall, inside.select, inside.type, inside.next, inside.setmetatable,
  inside.rawget, inside.rawlen, inside.unpack, inside.bad, inside.show, inside.checked,
  inside.suspend, inside.within_text, inside.promises, inside.faults, inside.fault_meta,
  inside.spawn, inside.drop, inside.settle, inside.running_task, inside.WAIT

local promise_methods = {}
local promise_meta = {
  __index = promise_methods, __newindex = function() bad("a promise is read-only", 2) end,
  __tostring = function() return "promise" end, __name = "promise", __metatable = false,
}

local function new_promise(entry)
  local promise = setmetatable({}, promise_meta)
  promises[promise] = { entry = entry, done = false }
  return promise
end

local function async(f, ...)
  if type(f) ~= "function" then bad("async: expected a function, got " .. type(f), 2) end
  local args, count = { ... }, select("#", ...)
  local promise = new_promise(running_task().entry)
  promises[promise].task = spawn(running_task().entry, function() return f(unpack(args, 1, count)) end, promise)
  return promise
end

local function await(promise)
  local state = promises[promise]
  if not state then bad("await: expected a promise, got " .. type(promise), 2) end
  state.watched = true
  state.entry.failures[promise] = nil
  while not state.done do
    if not suspend(WAIT, promise) then
      bad("await cannot be called " .. within_text() .. ", where Lua cannot wait", 2)
    end
  end
  if state.ok then return state.value end
  error(state.value, 0)
end

local function cancel(promise)
  local state = promises[promise]
  if not state then bad("cancel: expected a promise, got " .. type(promise), 2) end
  if state.done then return false end
  if state.task == running_task() then bad("cancel: a task cannot cancel itself", 2) end
  drop(state.task)
  state.watched = true
  local e = { code = "cancelled", message = "the task was cancelled", capability = "cancel", retryable = false }
  faults[e] = { where = "", class = "Cancelled" }
  settle(promise, false, setmetatable(e, fault_meta))
  return true
end

promise_methods.await, promise_methods.cancel = await, cancel
function promise_methods.done(promise) return promises[promise].done end

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
  local all = new_promise(running_task().entry)
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
return { new = new_promise, async = async, await = await, parallel = parallel }
