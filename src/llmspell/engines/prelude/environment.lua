-- The allow-listed environment a script sees: what is copied, what is wrapped and why. Its
-- libraries are parts of their own.

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
  if killed then raise() end                       -- as in a __close that a limit has run
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

env.tostring, env.null = show, null
env._G, env._VERSION = env, _VERSION
for _, k in next, { "assert", "ipairs", "next", "pairs", "rawequal", "rawget", "rawset", "select", "tonumber", "type", "error" } do
  env[k] = G[k]
end
env.rawlen = rawlen

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

local closers = setmetatable({}, weak)
function env.setmetatable(t, meta)
  if type(t) ~= "table" then bad("bad argument #1 to 'setmetatable' (table expected, got " .. type(t) .. ")", 2) end
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then bad("__gc is not available to spells", 2) end
  local close = type(meta) == "table" and rawget(meta, "__close")
  if type(close) == "function" and not closers[close] then
    -- It is run where memory has run out too, and must not put another error in that one's place.
    local function closer(v, e)
      if killed then raise() end
      if rawequal(e, OOM) then kill("memory") end
      return close(v, e)
    end
    closers[closer] = true
    rawset(meta, "__close", closer)
  end
  return setmetatable(t, meta)
end

function env.getmetatable(v)
  if type(v) == "table" then return getmetatable(v) end
end

function env.collectgarbage(option)
  if option == nil or option == "collect" then
    look()
    return gc("collect")
  end
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

-- Parts. ----------------------------------------------------------------------------------------

-- Global name -> the part that makes it.
local PART_OF = {
  coroutine = "coroutines", async = "promises", await = "promises", parallel = "promises",
  load = "loading", loadstring = "loading", require = "loading", string = "strings",
  unpack = "libraries", table = "libraries", math = "libraries", utf8 = "libraries", os = "libraries", debug = "libraries",
}

local function copy(from, ...)
  local to = {}
  for i = 1, select("#", ...) do
    local k = select(i, ...)
    to[k] = from[k]
  end
  return to
end

-- What the parts may use of this chunk.
local inside = {
  error = error, pcall = pcall, rawequal = rawequal, select = select, type = type, next = next, rawget = rawget,
  rawlen = rawlen, setmetatable = setmetatable, tonumber = tonumber, tostring = tostring,
  unpack = unpack, concat = concat, find = find, gsub = gsub, format = format, match = match,
  gmatch = gmatch, rep = string.rep, string = string, table = table, math = math, utf8 = utf8,
  os = os, traceback = traceback, co_create = co_create, co_resume = co_resume,
  co_status = co_status, co_close = coroutine.close, yield = yield, running = coroutine.running,
  yieldable = yieldable, TOKEN = TOKEN, LOAD = LOAD, WAIT = WAIT, LONG = 1024, env = env, base = base,
  parked = parked, promises = promises, faults = faults, fault_meta = fault_meta, bad = bad,
  show = show, checked = checked, suspend = suspend, within_text = within_text, spawn = spawn,
  drop = drop, settle = settle, copy = copy, look = look, guarded = guarded, call = call,
  unguarded = unguarded, open = open, counted = counted, getinfo = getinfo, weak = weak,
  raw_metatable = raw_metatable, running_task = function() return current end,
}                                                  -- LONG: bytes or items worth a look at the clock

local made = {}
local function need(part)
  if not made[part] then
    if part == "loading" then inside.promise = need("promises") end
    for i = 1, #parts, 2 do
      if parts[i] == part then made[part] = load(parts[i + 1], "=prelude", "b")(inside) end
    end
  end
  return made[part]
end

inside.need = need                                 -- for parts that need parts

-- Makes the globals a program mentions; "*" stands for all.
local function furnish(words)
  if words == "*" then
    for name, part in next, PART_OF do env[name] = need(part)[name] end
  end
  for word in gmatch(words, "[^ ]+") do
    local part = PART_OF[word]
    if part then env[word] = need(part)[word] end
  end
end

local strings = getmetatable("")
strings.__metatable = false
function strings.__index(_, name)
  strings.__index = need("strings").string
  return strings.__index[name]
end
for k in next, package.loaded do package.loaded[k] = nil end
for k in next, package do package[k] = nil end
for k in next, G do rawset(G, k, nil) end
setmetatable(G, nil)
