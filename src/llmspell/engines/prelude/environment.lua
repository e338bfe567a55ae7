-- The allow-listed environment a script sees: what is copied, what is wrapped and why.

-- The environment. ------------------------------------------------------------------------------

local function copy(from, ...)
  local to = {}
  for i = 1, select("#", ...) do
    local k = select(i, ...)
    to[k] = from[k]
  end
  return to
end

function show(v)
  local kind = type(v)
  if kind == "table" then
    local meta = raw_metatable(v)
    if handles[v] then return handles[v] end
    if faults[v] then return fault_meta.__tostring(v) end
    if rawequal(v, null) then return "null" end
    if promises[v] then return "promise" end
    local f = type(meta) == "table" and rawget(meta, "__tostring")
    if f then
      local text = f(v)
      if type(text) ~= "string" then bad("'__tostring' must return a string", 2) end
      return text
    end
    return "table"
  end
  if kind == "function" or kind == "thread" or kind == "userdata" then return kind end
  return tostring(v)
end

local function write(text)
  piece_count = piece_count + 1
  pieces[piece_count] = text
  piece_bytes = piece_bytes + #text
  if piece_bytes > 65536 then suspend(PAUSE) end
end

function env.print(...)
  local count = select("#", ...)
  if count == 1 then
    write(show((...)) .. "\n")
  else
    local out = {}
    for i = 1, count do out[i] = show((select(i, ...))) end
    write(concat(out, "\t") .. "\n")
  end
end

env.tostring, env.async, env.await, env.parallel, env.null = show, async, await, parallel, null
env._G, env._VERSION = env, _VERSION
for _, k in next, { "assert", "ipairs", "next", "pairs", "rawequal", "rawget", "rawset", "select", "tonumber", "type", "error" } do
  env[k] = G[k]
end
env.rawlen, env.unpack = rawlen, unpack

function env.pcall(f, ...) return checked(pcall(f, ...)) end

function env.xpcall(f, handler, ...)
  if type(handler) ~= "function" then bad("bad argument #2 to 'xpcall' (function expected)", 2) end
  return checked(xpcall(f, function(e)
    if killed or e == OOM then return e end
    local ok, said = guarded("xpcall's message handler", handler, e)
    -- LuaJIT's word for memory running out in a message handler.
    if not ok and not mathtype and said == "error in error handling" then kill("memory") end
    return said
  end, ...))
end

function env.setmetatable(t, meta)
  if type(t) ~= "table" then bad("bad argument #1 to 'setmetatable' (table expected, got " .. type(t) .. ")", 2) end
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then bad("__gc is not available to spells", 2) end
  return setmetatable(t, meta)
end

function env.getmetatable(v)
  if type(v) == "table" then return getmetatable(v) end
end

function env.collectgarbage(option)
  if option == nil or option == "collect" then return gc("collect") end
  if option == "count" then return gc("count") end
  bad('collectgarbage takes "collect" or "count" here', 2)
end

-- Loads a program the host has put safepoints into: the counter's name, the words it uses, and
-- the code, a line each.
local function open(payload, name, environment)
  local counter, code = match(payload, "^(%S+)\n[^\n]*\n(.*)$")
  local f, why = load(code, name, "t", environment)
  if not f then return nil, why end
  return join(f(), counter, counter .. "f")
end

-- Compiles text the script made, with safepoints like the program itself.
local function compile(text, name, environment)
  if find(text, "[%z\27]") then return nil, "binary chunks are not available to spells" end
  local ok, payload = suspend(LOAD, name, text)
  if ok == nil then bad("load cannot be called " .. within_text() .. ", where Lua cannot wait", 3) end
  if not ok then return nil, payload end
  return open(payload, name, environment)
end

local function refuse_global() bad("this program was loaded without globals", 2) end
local nothing = setmetatable({}, { __index = refuse_global, __newindex = refuse_global, __metatable = false })

function env.load(chunk, name, mode, ...)
  if type(chunk) == "function" then
    local parts = {}
    while true do
      local part = chunk()
      if part == nil or part == "" then break end
      if type(part) ~= "string" then return nil, "reader function must return a string" end
      parts[#parts + 1] = part
    end
    chunk = concat(parts)
  end
  if type(chunk) ~= "string" then bad("bad argument #1 to 'load' (string expected, got " .. type(chunk) .. ")", 2) end
  if type(mode) == "string" and not find(mode, "t", 1, true) then
    return nil, "attempt to load a text chunk (mode is '" .. mode .. "')"
  end
  local environment = env
  if select("#", ...) > 0 then
    environment = (...)
    if environment == nil then environment = nothing end
  end
  return compile(chunk, type(name) == "string" and name or "=(load)", environment)
end
env.loadstring = env.load

local loaded = {}                                  -- name -> value, or the task that loads it
local function load_module(name)
  local module = call("module.load", name)
  local f, why = compile(module.source, "=" .. module.name, env)
  if not f then bad("cannot load module '" .. name .. "': " .. why, 3) end
  local value = f(name)
  if value == nil then return true end
  return value
end

function env.require(name)
  if type(name) ~= "string" then bad("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2) end
  local known = loaded[name]
  if known == nil then
    if not yieldable() then bad("require cannot be called " .. within_text() .. ", where Lua cannot wait", 2) end
    known = { loader = current, promise = new_promise(current.entry) }
    promises[known.promise].watched = true
    loaded[name] = known
    local ok, value = checked(pcall(load_module, name))
    if ok then
      known.value, known.loader = value, nil
      settle(known.promise, true, value)
    else
      loaded[name] = nil
      settle(known.promise, false, value)
      error(value, 0)
    end
  elseif known.loader == current then
    bad("module '" .. name .. "' requires itself", 2)
  elseif known.loader then
    return await(known.promise)
  end
  return known.value
end

local LONG = 1024                                  -- bytes or items worth a look at the clock
local function long(s) if type(s) == "string" and #s > LONG then look() end end
env.string = copy(string, "byte", "char", "len", "lower", "pack", "packsize", "reverse",
  "sub", "unpack", "upper")
-- No addresses: %p is refused, and %s shows what print shows.
function env.string.format(pattern, ...)
  if type(pattern) == "string" and find(pattern, "%%[-+ #0-9.]*p") then
    bad("string.format: %p is not available to spells", 2)
  end
  local args, count = { ... }, select("#", ...)
  for i = 1, count do
    local kind = type(args[i])
    if kind ~= "string" and kind ~= "number" then args[i] = show(args[i]) end
  end
  return format(pattern, unpack(args, 1, count))
end
function env.string.find(s, pattern, init, plain) long(s) return find(s, pattern, init, plain) end
function env.string.match(s, pattern, init) long(s) return match(s, pattern, init) end
function env.string.gmatch(s, pattern, init) long(s) return gmatch(s, pattern, init) end
function env.string.gsub(s, pattern, replacement, max)
  long(s)
  if type(replacement) == "string" then return gsub(s, pattern, replacement, max) end
  return unguarded(guarded("string.gsub", gsub, s, pattern, replacement, max))
end
function env.string.rep(s, count, separator)
  local size = #tostring(s) + #tostring(separator or "")
  if size == 0 and tonumber(count) then return "" end
  if size * (tonumber(count) or 0) > LONG then look() end
  return rep(s, count, separator)
end
local MAX_RANGE = 1e7
local function span(name, from, to)
  if type(from) == "number" and type(to) == "number" then
    if to - from > MAX_RANGE then bad(name .. ": the range is too large", 3) end
    if to - from > LONG then look() end
  end
end
env.table = copy(table, "insert", "remove")
function env.table.concat(t, separator, i, j)
  span("table.concat", i or 1, j or (type(t) == "table" and rawlen(t)))
  return concat(t, separator, i, j)
end
local move = table.move
function env.table.move(a, from, to, at, b)
  span("table.move", from, to)
  if b == nil then return move(a, from, to, at) end
  return move(a, from, to, at, b)
end
env.table.unpack = unpack
env.table.pack = table.pack or function(...) return { n = select("#", ...), ... } end
env.table.getn = function(t) return #t end
env.table.maxn = function(t)
  local most = 0
  for k in next, t do if type(k) == "number" and k > most then most = k end end
  return most
end
function env.table.sort(t, less)
  look()
  unguarded(guarded("table.sort", sort, t, less))
end
env.math = {}
for k, v in next, math do env.math[k] = v end
env.math.pow = math.pow or function(a, b) return a ^ b end
if utf8 then env.utf8 = copy(utf8, "char", "charpattern", "codepoint", "codes", "len", "offset") end
env.debug = {}
env.os = copy(os, "clock", "date", "difftime", "time")
function env.debug.traceback(message)
  local text = traceback(message == nil and "" or show(message), 2)
  return text
end
