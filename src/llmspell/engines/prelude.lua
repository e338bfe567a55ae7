-- The inside of a Lua isolate: the allow-listed environment a script sees, the tasks it runs as,
-- the stubs through which every effect leaves, and the text form of values.
--
-- Runs on 5.4, 5.5 and LuaJIT, so it is written in what they share. The script never sees this
-- chunk's globals: whatever it needs later is captured here first, and _G is emptied at the end.
-- A task that must wait yields TOKEN and a reason; coroutine.* is wrapped so that this passes
-- through the script's own coroutines up to the scheduler, and out to the host.

local surface, max_steps, max_tasks, max_depth = ...

collectgarbage("stop")                             -- setting up makes little that can be freed

local G = _G
local type, next, select, rawget, rawset, rawequal = type, next, select, rawget, rawset, rawequal
local error, pcall, xpcall, tostring, tonumber = error, pcall, xpcall, tostring, tonumber
local setmetatable, getmetatable, load, gc = setmetatable, getmetatable, load, collectgarbage
local rawlen = rawlen or function(t) return #t end
local unpack = table.unpack or unpack
local concat, sort, floor, huge, mathtype = table.concat, table.sort, math.floor, math.huge, math.type
local find, gsub, sub, byte, char, format, match, gmatch, rep =
  string.find, string.gsub, string.sub, string.byte, string.char, string.format, string.match,
  string.gmatch, string.rep
local co_create, co_resume, co_status, yield, running, yieldable, co_close =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.yield, coroutine.running,
  coroutine.isyieldable, coroutine.close
local clock, getinfo, getupvalue, upvaluejoin, traceback, raw_metatable =
  os.clock, debug.getinfo, debug.getupvalue, debug.upvaluejoin, debug.traceback, debug.getmetatable
local utf8len, utf8char = utf8 and utf8.len, utf8 and utf8.char

local TOKEN = {}                                   -- private: no script can yield it
local CALL, PAUSE, WAIT, LOAD, KILL = 1, 2, 3, 4, 5
local OOM = "not enough memory"

local killed = false                               -- name of the limit that ended the run
local within = false                               -- built-in whose callback is running
local env = {}
local weak = { __mode = "k" }
local base = setmetatable({}, weak)                -- coroutine -> its task
local parked = setmetatable({}, weak)              -- script coroutines inside a wait
local promises = setmetatable({}, weak)
local handles = setmetatable({}, weak)             -- proxy -> "kind#id"
local faults = setmetatable({}, weak)              -- error object of a capability -> where, class
local lists = setmetatable({}, weak)               -- empty tables that are lists for sure

-- Events of this turn, four values each: kind, id, and two more. -------------------------------

local events, filled = {}, 0
local pieces, piece_count, piece_bytes = {}, 0, 0

local function flush()
  if piece_count > 0 then
    local text = concat(pieces, "", 1, piece_count)
    for i = piece_count, 1, -1 do pieces[i] = nil end
    piece_count, piece_bytes = 0, 0
    events[filled + 1], events[filled + 2], events[filled + 3], events[filled + 4] = "print", 0, text, false
    filled = filled + 4
  end
end

local function event(kind, id, a, b)
  flush()
  events[filled + 1], events[filled + 2], events[filled + 3], events[filled + 4] = kind, id, a, b
  filled = filled + 4
end

-- Limits. One counter, shared with every loaded chunk by joining upvalues. ---------------------

local function raise() error("\0limit", 0) end

local function kill(why)
  killed = killed or why
  if yieldable() then yield(TOKEN, KILL) end
  raise()
end

local n, check = 0, nil
local granted, quota, mark, turn_end, run_end = 0, 64, nil, 0, huge

-- Suspends the running task. Gives nil where Lua cannot yield: inside a C function's callback.
local function suspend(what, x, y)
  if yieldable() then return yield(TOKEN, what, x, y) end
end

function check()
  if killed then kill(killed) end
  local used = granted - n
  if used > max_steps then kill("steps") end
  local now = clock()
  if not mark then mark, turn_end, run_end = now, now + turn_end, now + run_end end
  local spent = now - mark
  -- Look at the clock every 30 to 100 us, however long this script's steps are.
  if spent < 0.00003 then
    if quota < 65536 then quota = quota * 2 end
  elseif spent > 0.0001 then
    quota = floor(quota * 0.00006 / spent) + 1
  end
  mark = now
  if now >= turn_end and not suspend(PAUSE) and now >= run_end then kill("time") end
  local left = max_steps - used
  local grant = quota
  if left < grant then grant = left + 1 end
  granted = granted + grant
  return grant - 1
end

-- After a long call into C: looks at the clock at the next safepoint, without charging steps.
local function look() granted, n = granted - n, 0 end

local function counted() n = n - 1 if n < 0 then n = check() end end
local UP_N, UP_CHECK = 1, 2                        -- upvalues are numbered by first use

-- Joins a loaded program's counter to ours.
local function join(f, counter, checker)
  for i = 1, 255 do
    local name = getupvalue(f, i)
    if name == nil then return f end
    if name == counter then upvaluejoin(f, i, counted, UP_N)
    elseif name == checker then upvaluejoin(f, i, counted, UP_CHECK) end
  end
  return f
end

local function checked(ok, ...)
  if killed then kill(killed) end
  if not ok and (...) == OOM then kill("memory") end
  return ok, ...
end

-- Errors. ---------------------------------------------------------------------------------------

local function script_frames(co)
  local frames, level = {}, 0
  while #frames < 20 do
    local info
    if co then info = getinfo(co, level, "Sln") else info = getinfo(level + 2, "Sln") end
    if not info then break end
    if info.currentline > 0 then                  -- this chunk is stripped: it has no lines
      frames[#frames + 1] = { info.short_src, info.currentline, info.name or "" }
    end
    level = level + 1
  end
  return frames
end

local function where()
  local frame = script_frames()[1]
  return frame and frame[1] .. ":" .. frame[2] .. ": " or ""
end

local fault_meta = {
  __tostring = function(e)
    local message = rawget(e, "message")
    return faults[e].where .. (type(message) == "string" and message or "?")
  end,
  __concat = function(a, b) return tostring(a) .. tostring(b) end,
  __metatable = false,
}

-- Raises the error object of a capability.
local function fault(e)
  faults[e] = { where = where(), class = e.class, called = e.called or e.capability }
  e.class, e.called = nil, nil
  error(setmetatable(e, fault_meta), 0)
end

local show

local function bad(message, level) error(message, (level or 1) + 1) end

-- Values to text, with raw access only. --------------------------------------------------------

local function is_utf8(s)
  if not find(s, "[\128-\255]") then return true end
  if utf8len then return utf8len(s) ~= nil end
  local i, size = 1, #s
  while i <= size do
    local c, more, low, high = byte(s, i), 0, 128, 191
    if c >= 0xC2 and c <= 0xDF then more = 1
    elseif c >= 0xE0 and c <= 0xEF then
      more = 2
      if c == 0xE0 then low = 0xA0 elseif c == 0xED then high = 0x9F end
    elseif c >= 0xF0 and c <= 0xF4 then
      more = 3
      if c == 0xF0 then low = 0x90 elseif c == 0xF4 then high = 0x8F end
    elseif c >= 128 then return false end
    for j = 1, more do
      local d = byte(s, i + j)
      if not d or d < low or d > high then return false end
      low, high = 128, 191
    end
    i = i + more + 1
  end
  return true
end

local escapes = setmetatable({ ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n" }, {
  __index = function(t, c) return format("\\u%04x", byte(c)) end,
})
local unquoted = '[%c"\\]'

local function quote(s)
  if find(s, unquoted) then s = gsub(s, unquoted, escapes) end
  return '"' .. s .. '"'
end

local MAX_NODES = 100000
local nodes = 0
local functions, function_ids = {}, {}
local null = setmetatable({}, { __tostring = function() return "null" end, __metatable = false })

local function number_text(v)
  if v ~= v or v == huge or v == -huge then return nil end
  if mathtype then
    if mathtype(v) == "integer" then return format("%d", v) end
  elseif v == floor(v) and v >= -2 ^ 53 and v <= 2 ^ 53 then
    return format("%d", v)
  end
  local text = format("%.17g", v)
  if not find(text, "[.e]") then text = text .. ".0" end
  return text
end

-- Fails with {path, reason}: the caller knows what the value is called.
local function refuse(path, depth, reason) error({ concat(path, "", 1, depth), reason }, 0) end

local encode

local function encode_table(v, out, path, depth, seen)
  if depth > max_depth then refuse(path, depth, "is nested too deep (more than " .. max_depth .. " levels)") end
  if seen[v] then refuse(path, depth, "contains itself") end
  seen[v] = true
  local size = rawlen(v)
  if size > 0 then
    local count = 0
    for _ in next, v do count = count + 1 end
    if count ~= size then
      for k in next, v do
        if type(k) ~= "number" then
          refuse(path, depth, "mixes list items with the key " .. tostring(k))
        end
      end
      refuse(path, depth, "is a list with holes")
    end
    out[#out + 1] = "["
    for i = 1, size do
      if i > 1 then out[#out + 1] = "," end
      path[depth + 1] = "[" .. i .. "]"
      encode(rawget(v, i), out, path, depth + 1, seen)
    end
    out[#out + 1] = "]"
  elseif next(v) == nil then
    out[#out + 1] = lists[v] == false and "{}" or "[]"
  else
    -- In the order of keys: the same call must have the same text, in every run.
    local keys, mark_ = {}, "{"
    for k in next, v do
      if type(k) ~= "string" then
        refuse(path, depth, type(k) == "number" and "is a list with holes"
          or "has a " .. type(k) .. " as key, and keys must be strings")
      end
      if byte(k) == 0 then refuse(path, depth, "has a key that starts with NUL") end
      if not is_utf8(k) then refuse(path, depth, "has a key that is not valid UTF-8") end
      keys[#keys + 1] = k
    end
    sort(keys)
    for i = 1, #keys do
      local k = keys[i]
      out[#out + 1] = mark_
      out[#out + 1] = quote(k)
      out[#out + 1] = ":"
      path[depth + 1] = "." .. k
      encode(rawget(v, k), out, path, depth + 1, seen)
      mark_ = ","
    end
    out[#out + 1] = "}"
  end
  seen[v] = nil
end

function encode(v, out, path, depth, seen)
  local kind = type(v)
  nodes = nodes + 1
  if nodes > MAX_NODES then refuse(path, depth, "is one of more than " .. MAX_NODES .. " values") end
  if kind == "string" then
    if is_utf8(v) then
      out[#out + 1] = quote(v)
    else
      out[#out + 1] = '{"\\u0000bytes":"' .. gsub(v, ".", function(c) return format("%02x", byte(c)) end) .. '"}'
    end
  elseif kind == "number" then
    out[#out + 1] = number_text(v) or refuse(path, depth, "is not a finite number")
  elseif kind == "boolean" then
    out[#out + 1] = v and "true" or "false"
  elseif kind == "nil" or v == null then
    out[#out + 1] = "null"
  elseif kind == "function" then
    local id = function_ids[v]
    if not id then
      id = #functions + 1
      functions[id], function_ids[v] = v, id
    end
    out[#out + 1] = '{"\\u0000function":' .. id .. "}"
  elseif kind == "table" then
    if handles[v] then
      out[#out + 1] = gsub(handles[v], "^(.*)#(.*)$", '{"\\u0000handle":["%1",%2]}')
    elseif promises[v] then
      refuse(path, depth, "is a promise: await it first")
    else
      encode_table(v, out, path, depth, seen)
    end
  else
    refuse(path, depth, "is a " .. (kind == "thread" and "coroutine" or kind) .. ", which cannot cross")
  end
end

-- Gives the text of one value, or nil and what is wrong with it under the name `called`.
local function to_text(v, called)
  local kind = type(v)
  if kind == "nil" then return "null" end
  local out = {}
  nodes = 0
  local ok, e = pcall(encode, v, out, { called }, 1, {})
  if ok then return out[2] and concat(out) or out[1] end
  if killed or e == OOM then checked(false, e) end
  if type(e) ~= "table" then error(e, 0) end
  return nil, e[1] .. " " .. e[2]
end

-- Text to values. The host made the text, so it is well formed. --------------------------------

local methods = {}                                 -- handle kind -> metatable

local function new_handle(kind, id)
  local proxy = setmetatable({}, methods[kind])
  handles[proxy] = kind .. "#" .. id
  return proxy
end

local function utf8_of(code)
  if utf8char then return utf8char(code) end
  if code < 128 then return char(code) end
  if code < 2048 then return char(192 + floor(code / 64), 128 + code % 64) end
  return char(224 + floor(code / 4096), 128 + floor(code / 64) % 64, 128 + code % 64)
end

local unescapes = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f" }

local function decode_string(s, pos)               -- pos is after the opening quote
  local stop = find(s, '["\\]', pos)
  if byte(s, stop) == 34 then return sub(s, pos, stop - 1), stop + 1 end
  local parts = {}
  while true do
    parts[#parts + 1] = sub(s, pos, stop - 1)
    if byte(s, stop) == 34 then return concat(parts), stop + 1 end
    local c = sub(s, stop + 1, stop + 1)
    if c == "u" then
      parts[#parts + 1] = utf8_of(tonumber(sub(s, stop + 2, stop + 5), 16))
      pos = stop + 6
    else
      parts[#parts + 1] = unescapes[c] or c
      pos = stop + 2
    end
    stop = find(s, '["\\]', pos)
  end
end

local decode_at

local function decode_list(s, pos)
  local t, i = {}, 0
  if byte(s, pos) == 93 then
    lists[t] = true
    return t, pos + 1
  end
  while true do
    local v
    v, pos = decode_at(s, pos)
    i = i + 1
    if v == nil then v = null end
    t[i] = v
    if byte(s, pos) == 93 then return t, pos + 1 end
    pos = pos + 1
  end
end

local function decode_map(s, pos)
  local t = {}
  if byte(s, pos) == 125 then
    lists[t] = false
    return t, pos + 1
  end
  while true do
    local k, v
    k, pos = decode_string(s, pos + 1)
    v, pos = decode_at(s, pos + 1)
    if byte(k) == 0 then
      if k == "\0handle" then return new_handle(v[1], v[2]), pos + 1 end
      if k == "\0bytes" then
        return gsub(v, "..", function(h) return char(tonumber(h, 16)) end), pos + 1
      end
      return functions[v], pos + 1
    end
    t[k] = v
    if byte(s, pos) == 125 then return t, pos + 1 end
    pos = pos + 1
  end
end

function decode_at(s, pos)
  local c = byte(s, pos)
  if c == 34 then return decode_string(s, pos + 1)
  elseif c == 123 then return decode_map(s, pos + 1)
  elseif c == 91 then return decode_list(s, pos + 1)
  elseif c == 116 then return true, pos + 4
  elseif c == 102 then return false, pos + 5
  elseif c == 110 then return nil, pos + 4 end
  local _, stop = find(s, "^[-+0-9.eE]+", pos)
  local text = sub(s, pos, stop)
  local v = tonumber(text)
  if not mathtype and (v > 2 ^ 53 or v < -2 ^ 53) and not find(text, "[.eE]") then
    bad("the integer " .. text .. " cannot cross: numbers of this engine are exact up to 2^53 only")
  end
  return v, stop + 1
end

local function decode(s)
  return (decode_at(s, 1))
end

-- Tasks. ----------------------------------------------------------------------------------------

local ready, first, last = {}, 1, 0
local waiting = {}                                 -- call id -> task
local entries = {}
local last_id, alive, paused = 0, 0, false
local current

local function push(task, a, b)
  task.a, task.b = a, b
  last = last + 1
  ready[last] = task
end

local function spawn(entry, f, promise)
  alive = alive + 1
  if alive > max_tasks then kill("tasks") end
  local task = { co = co_create(f), entry = entry, promise = promise, depth = 0 }
  base[task.co] = task
  entry.tasks[task] = true
  push(task)
  return task
end

local drop
function drop(task)
  if base[task.co] then
    base[task.co] = nil
    alive = alive - 1
    task.entry.tasks[task] = nil
    if task.id then
      waiting[task.id] = nil
      event("cancel", task.id, false, false)
    end
    task.dropped = true
    for i = 1, task.runners and #task.runners or 0 do drop(task.runners[i]) end
  end
end

-- What the host is told of an uncaught error, as text.
local function report(e, co, text)
  local said = { kind = "error", frames = co and script_frames(co) or nil }
  if faults[e] then
    -- The script may have put anything into its error object.
    said.kind, said.where, said.class, said.called = "fault", faults[e].where, faults[e].class, faults[e].called
    said.retryable = rawget(e, "retryable") == true
    for _, k in next, { "code", "message", "capability" } do
      local v = rawget(e, k)
      if type(v) == "string" then said[k] = is_utf8(v) and v or gsub(v, "[\128-\255]", "?") end
    end
  elseif type(e) == "string" or type(e) == "number" then
    e = tostring(e)
    said.message = is_utf8(e) and e or gsub(e, "[\128-\255]", "?")
  else
    local message = type(e) == "table" and rawget(e, "message")
    if type(message) == "string" and is_utf8(message) then said.message = message end
    said.kind, said.type, said.value = "value", type(e), (to_text(e, "error"))
    said.message = text or said.message
  end
  return to_text(said, "error") or '{"kind":"error","message":"an error that cannot be told"}'
end

local function finish(entry)
  entries[entry.id] = nil
  local ok, value, co = entry.ok, entry.value, entry.co
  if ok then
    for promise in next, entry.failures do
      local state = promises[promise]
      ok, value, co = false, state.value, state.co
      break
    end
  end
  if ok then
    local text, why = to_text(value, "the result")
    if text then
      event("done", entry.id, text, false)
      return
    end
    value, co = why, nil
  end
  event("fail", entry.id, report(value, co, entry.said), false)
end

local function settle(promise, ok, value, co)
  local state = promises[promise]
  if state.done then return end
  state.done, state.ok, state.value, state.co = true, ok, value, co
  if not ok and not state.watched then state.entry.failures[promise] = true end
  for i = 1, #state do push(state[i], true) end
  for i = #state, 1, -1 do state[i] = nil end
end

local function ended(task, ok, value)
  local entry = task.entry
  task.id = nil
  drop(task)
  if task.promise then settle(task.promise, ok, value, not ok and task.co) end
  if task == entry.main then
    entry.over, entry.ok, entry.value, entry.co = true, ok, value, not ok and task.co
    if not ok then
      for other in next, entry.tasks do drop(other) end
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
  if killed then return end
  if ok and tag == TOKEN then
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
    elseif what == WAIT then
      local state = promises[x]
      state[#state + 1] = task
    end
  elseif not ok and tag == OOM then
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
  if not paused and not killed and first > last and next(waiting) == nil then
    for _, entry in next, entries do
      local where_ = script_frames(entry.main.co)[1]
      entry.over, entry.ok, entry.co = true, false, entry.main.co
      entry.value = (where_ and where_[1] .. ":" .. where_[2] .. ": " or "")
        .. "deadlock: every task waits for another one"
      finish(entry)
    end
  end
end

-- Calls out. ------------------------------------------------------------------------------------

local function within_text()
  return within and "inside the callback of " .. within or "here: a built-in function is running"
end

-- What a parameter is called, for an error message.
local function param(name, i)
  local params = match(surface, "\n" .. gsub(name, "%.", "%%.") .. "\t([^\t]*)\t")
  for word in gmatch(params or "", "[^,]+") do
    i = i - 1
    if i == 0 then return word end
  end
  return "argument"
end

local function encode_args(name, count, ...)
  if count == 0 then return "[]" end
  local args = { ... }
  for i = 1, count do
    local text, why = to_text(args[i], "")
    if not text then
      fault({ class = "BadArgument", code = "bad_argument", message = name .. ": " .. param(name, i) .. why,
        capability = name, retryable = false })
    end
    args[i] = text
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
  local promise = new_promise(current.entry)
  promises[promise].task = spawn(current.entry, function() return f(unpack(args, 1, count)) end, promise)
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
  if state.task == current then bad("cancel: a task cannot cancel itself", 2) end
  drop(state.task)
  state.watched = true
  local e = { code = "cancelled", message = "the task was cancelled", capability = "cancel", retryable = false }
  faults[e] = ""
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
  local all = new_promise(current.entry)
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
    runners[i] = spawn(current.entry, function()
      local ok, e = checked(pcall(run))
      if not ok then settle(all, false, e) end
    end)
  end
  if count == 0 then settle(all, true, results) end
  local state, task = promises[all], current
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
    if v == null then return "null" end
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

-- Coroutines of the script. A wait inside one travels up to the task it runs in.
local co_env = {}
env.coroutine = co_env

local relay
function relay(co, ok, ...)
  if ok and (...) == TOKEN then
    if not yieldable() then return relay(co, co_resume(co, nil)) end
    parked[co] = true
    return relay(co, (function(...) parked[co] = nil return co_resume(co, ...) end)(yield(...)))
  end
  return checked(ok, ...)
end

local MAX_DEPTH = 100                              -- each level takes a piece of the C stack
local function resumed(task, ...)
  task.depth = task.depth - 1
  return ...
end

local function resume(co, ...)
  if base[co] or parked[co] then return false, "cannot resume non-suspended coroutine" end
  local task = current
  if task.depth >= MAX_DEPTH then return false, "coroutines are nested too deep" end
  task.depth = task.depth + 1
  return resumed(task, relay(co, co_resume(co, ...)))
end

function co_env.create(f)
  if type(f) ~= "function" then bad("bad argument #1 to 'create' (function expected)", 2) end
  return co_create(f)
end
function co_env.resume(co, ...)
  if type(co) ~= "thread" then bad("bad argument #1 to 'resume' (coroutine expected)", 2) end
  return resume(co, ...)
end
function co_env.wrap(f)
  if type(f) ~= "function" then bad("bad argument #1 to 'wrap' (function expected)", 2) end
  local co = co_create(f)
  return function(...) return unguarded(resume(co, ...)) end
end
function co_env.yield(...)
  local co = running()
  if co == nil or base[co] then bad("attempt to yield from outside a coroutine", 2) end
  return yield(...)
end
function co_env.running()
  local co = running()
  return co, base[co] ~= nil
end
function co_env.status(co)
  if type(co) ~= "thread" then bad("bad argument #1 to 'status' (coroutine expected, got " .. type(co) .. ")", 2) end
  if parked[co] then return "normal" end
  return co_status(co)
end
function co_env.isyieldable()
  local co = running()
  return base[co] == nil and yieldable()
end
if co_close then
  function co_env.close(co)
    if base[co] or parked[co] then bad("cannot close a running coroutine", 2) end
    return checked(co_close(co))
  end
end

-- Stubs: one for each capability a program may use, made when it starts.
local function read_only(t, k) bad("cannot set " .. show(k) .. ": a handle is read-only", 2) end

local function output_stub(name)
  return function(...)
    for i = 1, select("#", ...) do
      local text = (select(i, ...))
      if type(text) ~= "string" and type(text) ~= "number" then
        fault({ class = "BadArgument", code = "bad_argument", capability = name, retryable = false,
          message = name .. ": text must be a string, got " .. type(text) })
      end
      write(tostring(text))
    end
  end
end

local function bind_method(kind, verb, role, f)
  local meta = methods[kind]
  if not meta then
    meta = { __index = {}, __newindex = read_only, __name = kind, __metatable = false }
    methods[kind] = meta
  end
  meta.__index[verb] = f
  -- The generic for passes its state and control variable too.
  if role == "iterate" then meta.__call = function(handle) return f(handle) end
  elseif role == "close" then meta.__close = function(handle) return f(handle) end end
end

-- `used` holds the words of the program, or is nil when it may use any.
local function bind(used)
  for name, namespace, verb, method_of, role, alias in
    gmatch(surface, "\n(([^.]+)%.([^\t]+))\t[^\t]*\t([^\t]*)\t([^\t]*)\t([^\n]*)") do
    local wanted = not used or used[namespace] or used[alias]
    if wanted or method_of ~= "" then
      local f = role == "output" and output_stub(name) or function(...) return call(name, ...) end
      if method_of ~= "" then bind_method(method_of, verb, role, f) end
      if wanted and namespace ~= "module" then
        env[namespace] = env[namespace] or {}
        env[namespace][verb] = f
        if alias ~= "" then env[alias] = f end
      end
    end
  end
end

local strings = getmetatable("")
strings.__index, strings.__metatable = env.string, false
for k in next, package.loaded do package.loaded[k] = nil end
for k in next, package do package[k] = nil end
for k in next, G do rawset(G, k, nil) end
setmetatable(G, nil)

-- The door. ------------------------------------------------------------------------------------

local function start(id, f)
  local entry = { id = id, tasks = {}, failures = {}, over = false }
  entries[id] = entry
  entry.main = spawn(entry, f)
end

local doors = {}

-- Drops the globals a program never mentions, and what only they need: a third of the state.
local function prune(used)
  for k in next, env do if not used[k] then env[k] = nil end end
end

function doors.run(id, program, name, params)
  local words, used = match(program, "^%S+\n([^\n]*)\n"), nil
  if words ~= "*" then
    used = {}
    for word in gmatch(words, "[^ ]+") do used[word] = true end
    prune(used)
  end
  bind(used)
  gc("restart")
  gc("collect")
  env.params = decode(params)
  local f, why = open(program, "=" .. name, env)
  start(id, f or function() error(why, 0) end)
end

function doors.call(id, ref, args)
  local f, list = functions[ref], decode(args)
  start(id, function() return f(unpack(list, 1, #list)) end)
end

function doors.resume(id, ok, payload)
  local task = waiting[id]
  if task then
    waiting[id], task.id = nil, nil
    push(task, ok, payload)
  end
end

function doors.proceed() end

-- Where the script stands while it is not running: a task that wants to go on, or one that waits.
function doors.where()
  local task = ready[first] or waiting[next(waiting)]
  event("where", 0, false, task and to_text(script_frames(task.co), "frames") or "[]")
end

-- One turn. Gives 0 done, 1 waiting, 2 busy, 3 killed; the steps used; then the events.
return function(door, seconds, remaining, ...)
  -- The clock is read when the counter first runs out: most turns end before.
  mark, turn_end, run_end = nil, seconds, remaining
  filled = 0
  doors[door](...)
  if door ~= "where" then schedule() end
  flush()
  local state = killed and 3 or paused and 2 or next(entries) and 1 or 0
  if killed then
    local frames = killed ~= "memory" and current and to_text(script_frames(current.co), "frames")
    event("limit", 0, killed, frames or "[]")
  end
  for i = #events, filled + 1, -1 do events[i] = nil end
  return state, granted - n, unpack(events, 1, filled)
end
