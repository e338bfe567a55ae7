-- What only programs that mention it can reach: the globals that are in parts, and what parts need
-- of this chunk; promises; and built-ins that are wrapped. A state for another program does without.

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

-- Promises. -------------------------------------------------------------------------------------

local function write_promise() error("a promise is read-only", 2) end
-- Promise -> its state, which is its metatable: no script can get at that, and a long chain of promises in a
-- table with weak keys would have the collector look at each of them for each.
setmetatable(promises, { __index = function(_, v)
  local state = type(v) == "table" and raw_metatable(v)
  if state and rawequal(rawget(state, "__newindex"), write_promise) then return state end
end })

local function alive_entry(entry)
  return entries[entry.id] == entry and not (entry.over and not entry.ok)
end

-- What waits is a task, or a job: see chains.lua, which has hooks.release.
function settle(promise, ok, value, co)
  local state = promises[promise]
  if state.done then return end
  state.done, state.ok, state.value, state.co = true, ok, value, co
  if not ok and not state.watched and not (faults[value] and faults[value].quiet) then
    state.noted = alive_entry(state.entry) and state.entry or current.entry
    state.noted.failures[promise] = true
  end
  for i = 1, #state do
    local waits = state[i]
    if waits.co then push(waits, true) else hooks.release(waits, state) end
  end
  for i = #state, 1, -1 do state[i] = nil end
end

-- Built-ins. ------------------------------------------------------------------------------------

function env.rawset(t, k, v)
  if handles[t] then bad("cannot set " .. show(k) .. ": a handle is read-only", 2) end
  return rawset(t, k, v)
end

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
  return nil
end

function env.collectgarbage(option)
  if option == nil or option == "collect" then
    look()
    return gc("collect")
  end
  if option == "count" then return gc("count") end
  bad('collectgarbage takes "collect" or "count" here', 2)
end

-- Parts. ----------------------------------------------------------------------------------------

-- Global name -> the part that makes it.
local PART_OF = {
  coroutine = "coroutines", async = "promises", await = "promises", parallel = "promises", spawn = "promises",
  promise = "chains",
  load = "loading", loadstring = "loading", require = "loading", string = "strings",
  unpack = "libraries", table = "libraries", math = "libraries", utf8 = utf8 and "libraries" or "unicode", os = "libraries", debug = "libraries",
}

local function copy(from, ...)
  local to = {}
  for i = 1, select("#", ...) do
    local k = select(i, ...)
    to[k] = from[k]
  end
  return to
end

for k, v in next, {
  rawequal = rawequal, select = select, unpack = unpack, rep = string.rep, string = string, table = table,
  math = math, utf8 = utf8, os = os, traceback = traceback, co_create = co_create, co_resume = co_resume,
  co_close = coroutine.close, yield = yield, running = coroutine.running, yieldable = yieldable,
  TOKEN = TOKEN, LOAD = LOAD, WAIT = WAIT, LONG = 1024, env = env, base = base, parked = parked,
  fault_meta = fault_meta, suspend = suspend, within_text = within_text, spawn = spawn, drop = drop,
  settle = settle, push = push, fault = fault, write_promise = write_promise, alive_entry = alive_entry, ask = ask,
  copy = copy, guarded = guarded, call = call, unguarded = unguarded, open = open, counted = counted,
  rawset = rawset, set_metatable = debug.setmetatable, getinfo = getinfo, getlocal = debug.getlocal, getupvalue = getupvalue,
  running_task = function() return current end,
  program = function() return program.over and current.entry or program end,
} do inside[k] = v end                             -- LONG: bytes or items worth a look at the clock

-- Takes what another language needs of its own, and starts it.
function doors.extend(part, ...)
  supply(...)
  need(part)
end

-- Makes the globals a program mentions; "*" stands for all.
function furnish(words)
  if words == "*" then
    for name, part in next, PART_OF do env[name] = need(part)[name] end
  end
  for word in gmatch(words, "[^ ]+") do
    local part = PART_OF[word]
    if part then env[word] = need(part)[word] end
  end
  if inside.restrict then inside.restrict() end
end

function strings.__index(_, name)
  strings.__index = need("strings").string
  return strings.__index[name]
end

-- Doors. ----------------------------------------------------------------------------------------

-- Has errors tell what the variables of their frames hold.
function doors.reveal(code) inside.reveal = load(code, "=prelude", "b")(inside, handles, quote, is_utf8, check) end

-- Has a program do the same as in any other state.
function doors.reproduce(code)
  load(code, "=prelude", "b")(inside, counted, function() return granted - n end)
end

-- Leaves of the libraries only these names.
function doors.restrict(code, names) inside.restrict = load(code, "=prelude", "b")(inside, names, null) end
