-- Tasks and promises of the Lua engine as Tengo has them: async, spawn, await, parallel, promise.
--
-- A task whose function gives an error value has failed with it; who awaits it gets the error value, and
-- where nobody does, or the value is passed over, the run ends with it. What a task gives goes through the
-- promises of the engine in a box, so that they take no value of Tengo for one of theirs.

local inside = ...
local T = inside.tengo
local type, next, select, rawget, rawset, setmetatable, getmetatable, pcall, error, checked, unpack, faults, promises =
  inside.type, inside.next, inside.select, inside.rawget, inside.rawset, inside.setmetatable, inside.raw_metatable,
  inside.pcall, inside.error, inside.checked, inside.unpack, inside.faults, inside.promises
local U, KEY, FAULT, OWN, MAP, fail, failure, thrown, PROMISE = T.U, T.KEY, T.FAULT, T.OWN, T.MAP, T.fail, T.failure, T.thrown, T.PROMISE
local base = inside.need("promises")
local BOX = {}

local wrapped = setmetatable({}, { __mode = "k" })
local function wrap(promise)
  local made = wrapped[promise]
  if not made then
    made = setmetatable({ [KEY] = promise }, PROMISE)
    wrapped[promise] = made
  end
  return made
end
T.wrap_promise = wrap

local function is_promise(v) return type(v) == "table" and getmetatable(v) == PROMISE end
local function is_error(v) return type(v) == "table" and getmetatable(v) == T.ERROR end

-- The error value of what was raised.
local function told(e)
  if faults[e] then return failure(e) end
  local v = T.error(type(e) == "table" and T.from_lua(e) or e)
  rawset(v, FAULT, e)
  return v
end

-- A value of the program as promises hold it, and back; lists and records are made by the promises themselves.
local function boxed(v)
  if is_promise(v) then return v[KEY] end
  if type(v) == "table" then return { [BOX] = v } end
  return v
end

local function received(v)
  if v == nil then return U end
  if type(v) ~= "table" then return v end
  if rawget(v, BOX) ~= nil then return v[BOX] end
  if promises[v] then return wrap(v) end
  if faults[v] then return failure(v) end
  local t = {}
  if next(v) == nil or v[1] ~= nil then
    for i = 1, #v do t[i - 1] = received(v[i]) end
    return setmetatable(t, OWN)
  end
  for k, item in next, v do
    if k == "reason" then t.reason = told(item) else t[k] = received(item) end
  end
  return setmetatable(t, MAP)
end

-- What a function gives, to its promise.
local function given(v)
  if is_error(v) then error(thrown(v), 0) end
  return boxed(v)
end

local function task_of(f)
  return function(...) return given(f(...)) end
end

-- A function that is told how a promise ended. It may take no argument.
local function handler(f, read)
  if type(f) ~= "function" then return nil end
  local count = T.takes(f)
  return function(v)
    if count == 0 then return given(f()) end
    return given(f(read(v)))
  end
end

local function outcome(ok, v)
  if ok then return received(v) end
  return told(v)
end

local A = {}

local function starting(name)
  A[name] = function(f, ...)
    if type(f) ~= "function" then fail(name .. ": expected a function, got " .. type(f)) end
    return wrap(base[name](task_of(f), ...))
  end
end
starting("async")
starting("spawn")

function A.await(p, timeout)
  if not is_promise(p) then fail("await: expected a promise, got " .. type(p)) end
  if timeout == U then timeout = nil end
  return outcome(checked(pcall(base.await, p[KEY], timeout)))
end

function A.parallel(list, options)
  if not T.is_array(list) then fail("parallel: expected a list of functions, got " .. type(list)) end
  local tasks, t = {}, T.items_of(list)
  local n = T.length(t)
  for i = 1, n do
    local v = t[i - 1]
    tasks[i] = type(v) == "function" and task_of(v) or is_promise(v) and v[KEY] or v
    if tasks[i] == v then fail("parallel: item " .. i .. " must be a function or a promise, got " .. type(v)) end
  end
  options = options and T.to_lua(options)
  if options ~= nil and type(options) ~= "table" then fail("parallel: options must be a map, got " .. type(options)) end
  for k, v in next, options or {} do
    if k ~= "limit" then fail("parallel: options." .. T.text(k) .. " is not known; there is limit") end
    if type(v) ~= "number" or v < 1 then fail("parallel: limit must be a number above 0") end
  end
  local ok, results = checked(pcall(base.parallel, tasks, options))
  if not ok then return told(results) end
  local made = {}
  for i = 1, n do made[i - 1] = received(results[i]) end
  return setmetatable(made, OWN)
end

-- Methods of a promise. ---------------------------------------------------------------------------------

local METHODS = { await = A.await }
function METHODS.done(p) return p[KEY]:done() end
function METHODS.cancel(p)
  local ok, v = checked(pcall(p[KEY].cancel, p[KEY]))
  if not ok then fail("cancel: a task cannot cancel itself") end
  return v
end
function METHODS.next(p, on_ok, on_error)
  return wrap(p[KEY]:next(handler(on_ok, received), handler(on_error, told)))
end
METHODS.and_then = METHODS.next
function METHODS.catch(p, on_error) return wrap(p[KEY]:catch(handler(on_error, told))) end
function METHODS.finally(p, f) return wrap(p[KEY]:finally(handler(f, received))) end

function PROMISE.__index(p, k)
  local method = METHODS[k]
  if not method then return U end
  local function bound(...) return method(p, ...) end
  T.names[bound] = "user-function:" .. k
  return bound
end
function PROMISE.__newindex() fail("a promise is read-only") end

-- The library. ------------------------------------------------------------------------------------------

local library
local function made_of(name, list)
  if not T.is_array(list) then
    fail("promise." .. name .. ": expected a list of promises, got " .. (is_promise(list) and "promise" or type(list)))
  end
  local items, from = {}, T.items_of(list)
  for i = 1, T.length(from) do items[i] = boxed(from[i - 1]) end
  return wrap(library[name](items))
end

local function promise_library()
  library = inside.need("chains").promise
  local t = {}
  for _, name in next, { "all", "all_settled", "race", "any" } do
    t[name] = function(list) return made_of(name, list) end
  end
  function t.new(executor)
    if type(executor) ~= "function" then fail("promise.new: expected a function, got " .. type(executor)) end
    local count = T.takes(executor)
    return wrap(library.new(function(fulfil, refuse)
      local args = {
        function(v) fulfil(boxed(v == nil and U or v)) return U end,
        function(v) refuse(thrown(is_error(v) and v or T.error(v == nil and U or v))) return U end,
      }
      return given(executor(unpack(args, 1, count and count < 2 and count or 2)))
    end))
  end
  function t.resolve(v)
    if v == nil then v = U end
    if is_promise(v) then return v end
    return wrap(library.resolve(boxed(v)))
  end
  function t.reject(v) return wrap(library.reject(thrown(is_error(v) and v or T.error(v)))) end
  function t.timeout(p, seconds)
    if not is_promise(p) then fail("promise.timeout: expected a promise, got " .. type(p)) end
    return wrap(library.timeout(p[KEY], seconds))
  end
  for name, f in next, t do T.names[f] = "user-function:" .. name end
  return T.immutable(setmetatable(t, MAP))
end

for name, f in next, A do T.names[f] = "user-function:" .. name end

-- What a name of these stands for.
return function(name)
  if name == "promise" then return promise_library() end
  return A[name]
end
