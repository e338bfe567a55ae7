-- Tengo in a state of the Lua engine: what comes from the host and what goes there.
--
-- A capability's failure is an error value, as those of Tengo's own modules are: `is_error(x)` and
-- `x.value.code` tell. Used as if it was a value, passed over as a statement, or given as the result,
-- it ends the run with the capability's own error: none is lost.

local inside = ...
local T = inside.need("tengo_runtime")
for _, part in inside.next, { "operators", "verbs", "builtins" } do inside.need("tengo_" .. part) end
local type, next, select, rawget, rawlen, setmetatable, getmetatable, pcall, error, unpack, checked, gsub, find, format =
  inside.type, inside.next, inside.select, inside.rawget, inside.rawlen, inside.setmetatable, inside.raw_metatable,
  inside.pcall, inside.error, inside.unpack, inside.checked, inside.gsub, inside.find, inside.format
local env, handles, promises, faults, lists, null, call, counted, stub, need =
  inside.env, inside.handles, inside.promises, inside.faults, inside.lists, inside.null, inside.call, inside.counted, inside.stub,
  inside.need
local U, KEY, FAULT, OWN, MAP, names, fail = T.U, T.KEY, T.FAULT, T.OWN, T.MAP, T.names, T.fail
local EXTRA = 3                                    -- parameters that catch arguments too many

local from_lua, to_lua
local theirs, ours = setmetatable({}, inside.weak), setmetatable({}, inside.weak)
local wrapped_handles = setmetatable({}, { __mode = "k" })

-- Values to the host. ------------------------------------------------------------------------------

local function raise_value(v)
  local fault = rawget(v, FAULT)
  if fault then error(fault, 0) end
  fail(T.text(v[KEY]))
end

-- How many arguments a function takes: what calls it may offer more.
local function takes(f)
  if names[f] then return nil end
  local info = inside.getinfo(f, "u")
  if info.isvararg then return nil end
  return info.nparams - EXTRA
end

local function is_error(v) return type(v) == "table" and getmetatable(v) == T.ERROR end

-- A function of the program as the host calls it.
local function outward(f)
  local made = ours[f]
  if not made then
    function made(...)
      local args, n = { ... }, select("#", ...)
      for i = 1, n do args[i] = from_lua(args[i]) end
      local count = takes(f)
      for i = n + 1, count or n do args[i] = U end
      local v = f(unpack(args, 1, count or n))
      if is_error(v) then raise_value(v) end
      return to_lua(v, 0)
    end
    ours[f], theirs[made] = made, f
  end
  return made
end

local function fault_fields(e)
  local t = {}
  for k, v in next, e do t[k] = v end
  return from_lua(t)
end

function to_lua(v, depth)
  local kind = type(v)
  if kind == "function" then return outward(v) end
  if kind ~= "table" then return v end
  if v == U then return nil end
  counted()
  if depth > inside.max_depth + 1 then fail("a value that is to cross is nested too deep or contains itself") end
  local meta = getmetatable(v)
  local name = meta.type
  if name == "array" or name == "immutable-array" then
    local t, from = {}, meta.data or v
    local n = T.length(from)
    for i = 1, n do
      local item = to_lua(from[i - 1], depth + 1)
      if item == nil then item = null end
      t[i] = item
    end
    if n == 0 then lists[t] = true end
    return t
  elseif name == "map" or name == "immutable-map" then
    local t = {}
    for k, item in next, meta.data or v do t[k] = to_lua(item, depth + 1) end
    if next(t) == nil then lists[t] = false end
    return t
  elseif name == "char" then return T.char_text(v[KEY])
  elseif name == "time" then return v[KEY] / 1000000000
  elseif name == "error" then
    local inner = to_lua(v[KEY], depth + 1)
    return { error = inner == nil and null or inner }
  end
  return v[KEY]                                    -- bytes, a handle, a promise
end

-- Values from the host. ------------------------------------------------------------------------------

-- A failure as an error value.
local function failure(e)
  local v = T.error(fault_fields(e))
  inside.rawset(v, FAULT, e)
  return v
end

-- A function of the host as the program calls it.
local function inward(f, name)
  local made = theirs[f]
  if made then return made end
  local function after(ok, v)
    if not ok then
      if faults[v] then return failure(v) end
      error(v, 0)
    end
    return from_lua(v)
  end
  function made(...)
    local args, n = { ... }, select("#", ...)
    for i = 1, n do args[i] = to_lua(args[i], 0) end
    while n > 0 and args[n] == nil do n = n - 1 end
    return after(checked(pcall(f, unpack(args, 1, n))))
  end
  names[made] = "user-function:" .. (name or "function")
  theirs[f], ours[made] = made, f
  return made
end

local HANDLE = T.with_operators({ type = "handle" })
function HANDLE.__index(t, k)
  if type(k) ~= "string" then fail("invalid index type: " .. T.type_name(k)) end
  local f = t[KEY][k]
  if f == nil then return U end
  local self = t[KEY]
  return inward(function(...) return f(self, ...) end, k)
end

local PROMISE = T.with_operators({ type = "promise" })
function PROMISE.__index(t, k)
  local f = type(k) == "string" and t[KEY][k]
  if not f then return U end
  local self = t[KEY]
  return inward(function(...) return f(self, ...) end, k)
end

function from_lua(v)
  local kind = type(v)
  if kind == "nil" then return U end
  if kind == "function" then return inward(v) end
  if kind ~= "table" then return v end
  if v == null then return U end
  counted()
  if handles[v] or promises[v] then
    local made = wrapped_handles[v]
    if not made then
      made = setmetatable({ [KEY] = v }, handles[v] and HANDLE or PROMISE)
      wrapped_handles[v] = made
    end
    return made
  end
  if faults[v] then return failure(v) end
  local t = {}
  local n = rawlen(v)
  if n > 0 or lists[v] ~= false and next(v) == nil then
    for i = 1, n do t[i - 1] = from_lua(v[i]) end
    return setmetatable(t, OWN)
  end
  for k, item in next, v do t[k] = from_lua(item) end
  return setmetatable(t, MAP)
end

-- Names of the program. ---------------------------------------------------------------------------------

local function namespace(name)
  local t = {}
  for verb, f in next, env[name] do t[verb] = inward(f, verb) end
  return T.immutable(setmetatable(t, MAP))
end

-- Functions for tasks take functions of the program as they are: their values do not cross.
local function task_of(f, ...)
  if type(f) ~= "function" then fail("invalid type for argument 'first': expected function, found " .. T.type_name(f)) end
  return f
end

local SPECIAL = {}
function SPECIAL.async(f, ...)
  task_of(f)
  return from_lua(need("promises").async(f, ...))
end
function SPECIAL.spawn(f, ...)
  task_of(f)
  return from_lua(need("promises").spawn(f, ...))
end

local function outcome(ok, v)
  if ok then return v == nil and U or v end
  if faults[v] then return failure(v) end
  error(v, 0)
end

function SPECIAL.await(p, timeout)
  local inner = type(p) == "table" and getmetatable(p) == PROMISE and p[KEY]
  if not inner then fail("invalid type for argument 'first': expected promise, found " .. T.type_name(p)) end
  if timeout == U then timeout = nil end
  return outcome(checked(pcall(need("promises").await, inner, timeout)))
end

function SPECIAL.parallel(list, options)
  if not T.is_array(list) then fail("invalid type for argument 'first': expected array, found " .. T.type_name(list)) end
  local given, t = {}, T.items_of(list)
  local n = T.length(t)
  for i = 1, n do
    local v = t[i - 1]
    if type(v) == "table" and getmetatable(v) == PROMISE then v = v[KEY] end
    given[i] = v
  end
  local ok, results = checked(pcall(need("promises").parallel, given, options and to_lua(options, 0)))
  if not ok then return outcome(ok, results) end
  local made = {}
  for i = 1, n do made[i - 1] = results[i] == nil and U or results[i] end
  return setmetatable(made, OWN)
end
for name, f in next, SPECIAL do names[f] = "user-function:" .. name end

-- Only what the host bound: the environment of the state also has what is Lua's own.
local function bound(name)
  local surface = inside.surface
  return env[name] ~= nil
    and (find(surface, "\n" .. name .. ".", 1, true) or find(surface, "\t" .. name .. "\n", 1, true)) ~= nil
end

local resolved = {}
function T.free(name)
  if resolved[name] == nil then
    if name == "params" then resolved[name] = from_lua(env.params)
    elseif SPECIAL[name] then resolved[name] = SPECIAL[name]
    elseif not bound(name) then fail("unresolved reference '" .. name .. "'")
    elseif type(env[name]) == "table" then resolved[name] = namespace(name)
    else resolved[name] = inward(env[name], name) end
  end
  return resolved[name]
end

local STANDARD = {}
for name in inside.gmatch("fmt text math times rand json base64 hex enum os", "%w+") do STANDARD[name] = true end

T["import"] = function(name)
  if STANDARD[name] then return T.standard(name) end
  if bound(name) and type(env[name]) == "table" then return T.free(name) end
  local plain = gsub(gsub(name, "^%./", ""), "%.tengo$", "")
  return need("loading").require((gsub(plain, "/", ".")))
end

function T.must(v)
  if type(v) == "table" then T.check_fault(v) end
end

local function result(v)
  if is_error(v) then raise_value(v) end
  return to_lua(v, 0)
end

function T.export(module, v)
  if module then return T.immutable(v) end
  return result(v)
end

function T.finish(module, v)
  if module then return U end
  return result(v)
end

-- Functions that the host calls by name.
function T.publish(name, f) env[name] = outward(f) end

-- What the standard modules need of the host. -------------------------------------------------------------

T.write = stub("print", "output")
function T.now() return inside.math.floor(call("time.now") * 1000000) * 1000 end
function T.sleep(seconds) call("time.sleep", seconds) end
function T.zone(name, seconds)
  local there = call("time.parse", inside.os.date("!%Y-%m-%dT%H:%M:%S", seconds), nil, name)
  return seconds - inside.math.floor(there)
end
T.host = inward
env._tengo = T
return T
