-- Tengo in a state of the Lua engine: what comes from the host and what goes there.
--
-- A capability's failure is an error value, as those of Tengo's own modules are: `is_error(x)` and
-- `x.value.code` tell. Used as if it was a value, passed over as a statement, or given as the result,
-- it ends the run with the capability's own error: none is lost.

local inside = ...
local T = inside.need("tengo_runtime")
for _, part in inside.next, { "order", "operators", "verbs", "builtins" } do inside.need("tengo_" .. part) end
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

-- What is raised for an error value, with the place where it was made: the failure behind it, if there is one.
local values = setmetatable({}, { __mode = "k" })  -- what was raised -> the error value
local function thrown(v)
  local e, value = rawget(v, FAULT), v[KEY]
  if e then
    local t = type(e) == "table" and T.is_map(value) and T.items_of(value) or {}
    for _, k in next, { "message", "code" } do
      if type(rawget(t, k)) == "string" then e[k] = t[k] end  -- the program may have changed it
    end
    return e
  end
  e = T.is_map(value) and to_lua(value) or {}
  if type(e.message) ~= "string" then e.message = T.text(value) end
  faults[e] = { where = rawget(v, T.PLACE) or "", class = "ScriptFailure" }
  values[e] = v
  inside.rawset(v, FAULT, e)
  return setmetatable(e, inside.fault_meta)
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
      if is_error(v) then error(thrown(v), 0) end
      return to_lua(v)
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

-- `made` has what was met before: what contains itself is for the writer to name. So is what is nested
-- too deep or too large, of which it is given as much as it takes to see that.
local MOST = 100001
local function crossing(v, depth, made)
  local kind = type(v)
  if kind == "function" then return outward(v) end
  if kind ~= "table" then return v end
  if v == U then return nil end
  counted()
  if made[v] then return made[v] end
  local t = {}
  if depth > inside.max_depth then return t end
  local meta = getmetatable(v)
  local name = meta.type
  if name == "array" or name == "immutable-array" then
    local from = meta.data or v
    local n = T.length(from)
    made[v] = t
    for i = 1, n < MOST and n or MOST do
      local item = crossing(from[i - 1], depth + 1, made)
      if item == nil then item = null end
      t[i] = item
    end
    if n == 0 then lists[t] = true end
    return t
  elseif name == "map" or name == "immutable-map" then
    local n = 0
    made[v] = t
    for k, item in next, meta.data or v do
      n = n + 1
      if n > MOST then break end
      item = crossing(item, depth + 1, made)
      if item == nil then item = null end
      t[k] = item
    end
    if n == 0 then lists[t] = false end
    return t
  elseif name == "char" then return T.char_text(v[KEY])
  elseif name == "time" then
    local seconds, nano = T.clock_of(v)
    return seconds + nano / 1000000000
  elseif name == "error" then
    made[v] = t
    local inner = crossing(v[KEY], depth + 1, made)
    t.error = inner == nil and null or inner
    return t
  end
  return v[KEY]                                    -- bytes, a handle, a promise
end

function to_lua(v) return crossing(v, 0, {}) end

-- Values from the host. ------------------------------------------------------------------------------

-- A failure as an error value.
local function failure(e)
  if values[e] then return values[e] end
  local v = T.error(fault_fields(e))
  inside.rawset(v, FAULT, e)
  return v
end

-- A function of the host as the program calls it.
-- An error value is given as what it holds. Where that is wrong, the failure behind it was used as a value.
local function inward(f, name)
  local made = theirs[f]
  if made then return made end
  local function after(failed, ok, v)
    if ok then return from_lua(v) end
    if not faults[v] then error(v, 0) end
    if failed and v.code == "bad_argument" then T.check_fault(failed) end
    return failure(v)
  end
  function made(...)
    local args, n, failed = { ... }, select("#", ...), nil
    for i = 1, n do
      local v = args[i]
      if is_error(v) then
        failed, v = v, v[KEY]
      end
      args[i] = to_lua(v)
    end
    return after(failed, checked(pcall(f, unpack(args, 1, n))))
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

function HANDLE.__newindex(t, k)
  fail("cannot set " .. T.text(k) .. ": a handle is read-only")
end
function HANDLE.show(v) return handles[v[KEY]] end

-- The loop of the language over what gives one after another: a stream, a channel.
function HANDLE.iterate(v)
  local inner = v[KEY]
  if not (getmetatable(inner) or {}).__call then fail("not iterable: handle") end
  return setmetatable({}, { __index = function()
    local item = inner()
    if item ~= nil then return from_lua(item) end
  end })
end

T.PROMISE = T.with_operators({ type = "promise" })     -- how it behaves is in tasks.lua

function from_lua(v)
  local kind = type(v)
  if kind == "nil" then return U end
  if kind == "function" then return inward(v) end
  if kind ~= "table" then return v end
  if v == null then return U end
  counted()
  if promises[v] then
    need("tengo_tasks")
    return T.wrap_promise(v)
  end
  if handles[v] then
    local made = wrapped_handles[v]
    if not made then
      made = setmetatable({ [KEY] = v }, HANDLE)
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

local function namespace(of)
  local t = {}
  for verb, f in next, of do
    t[verb] = type(f) == "table" and namespace(f) or inward(f, verb)
  end
  return T.immutable(setmetatable(t, MAP))
end

local SPECIAL = { params = function() return from_lua(env.params) end }
for name in inside.gmatch("async spawn await parallel promise", "%a+") do
  SPECIAL[name] = function() return need("tengo_tasks")(name) end
end

local function print(...)
  local texts = { ... }
  for i = 1, select("#", ...) do texts[i] = texts[i] == U and "<undefined>" or T.text(texts[i]) end
  T.write(inside.concat(texts, "\t") .. "\n")
  return U
end
names[print] = "user-function:print"
function SPECIAL.print() return print end

-- Only what the host bound: the environment of the state also has what is Lua's own.
local function bound(name)
  local surface = inside.surface
  return env[name] ~= nil
    and (find(surface, "\n" .. name .. ".", 1, true) or find(surface, "\t" .. name .. "\n", 1, true)) ~= nil
end

local resolved = {}
function T.free(name)
  if resolved[name] == nil then
    if SPECIAL[name] then resolved[name] = SPECIAL[name]()
    elseif not bound(name) then fail("unresolved reference '" .. name .. "'")
    elseif type(env[name]) == "table" then resolved[name] = namespace(env[name])
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

local FALSY = T.FALSY
function T.must(v)
  if not FALSY[v] and type(v) == "table" then T.check_fault(v) end
end

local function result(v)
  if is_error(v) then error(thrown(v), 0) end
  return to_lua(v)
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
-- How many seconds a zone is ahead of UTC at a moment, and what it is called then; or nil and an error value.
local at = inward(function(name, seconds) return call("time.format", seconds, "%z %Z", name) end, "in_location")
function T.ahead(name, seconds)
  local told = at(name, seconds)
  if type(told) ~= "string" then return nil, told end
  local sign, hours, minutes, rest, short = inside.match(told, "^([+-])(%d%d)(%d%d)(%d*)%.?%d* (.*)$")
  local number = inside.tonumber
  local ahead = number(hours) * 3600 + number(minutes) * 60 + (number(rest) or 0)
  return sign == "-" and -ahead or ahead, short
end
-- The same for what clocks there show. A zone that is not there ends the run.
function T.zone(name, seconds)
  local there = call("time.parse", inside.os.date("!%Y-%m-%dT%H:%M:%S", seconds), nil, name)
  return seconds - inside.math.floor(there)
end
T.host, T.failure, T.thrown, T.takes, T.to_lua, T.from_lua = inward, failure, thrown, takes, to_lua, from_lua
env._tengo = T
return T
