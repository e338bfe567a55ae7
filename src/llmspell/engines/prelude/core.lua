-- The inside of a Lua isolate, first part: what is captured, the events of a turn, the limits,
-- the errors of capabilities. Core, values, tasks, environment and door are one chunk, with builtins in
-- it for programs that mention what that has. The other parts come from the host: with the program, if
-- it mentions what they hold; composites, handles and reports when they are first needed.
--
-- Runs on 5.4, 5.5 and LuaJIT, so it is written in what they share. The script never sees this
-- chunk's globals: whatever it needs later is captured here first, and _G is emptied at the end.
-- A task that must wait yields TOKEN and a reason; coroutine.* is wrapped so that this passes
-- through the script's own coroutines up to the scheduler, and out to the host.

local surface = ""                                 -- the lines of the capabilities that are bound
local parts, made = {}, {}                         -- name -> bytecode of a part, and what it gave
local max_steps, max_tasks                         -- told when the program starts
local soft_steps, soft_memory                      -- where the host is to have a look: steps, kilobytes
local MAX_PAUSES, pauses = 4, 0
local need                                         -- loads a part

collectgarbage("stop")                             -- setting up makes little that can be freed

local G = _G
local type, next, select, rawget, rawset, rawequal = type, next, select, rawget, rawset, rawequal
local error, pcall, xpcall, tostring, tonumber = error, pcall, xpcall, tostring, tonumber
local setmetatable, getmetatable, load, gc = setmetatable, getmetatable, load, collectgarbage
local rawlen = rawlen or function(t) return #t end
local unpack = table.unpack or unpack
local concat, sort, floor, huge, mathtype, randomseed =
  table.concat, table.sort, math.floor, math.huge, math.type, math.randomseed
local find, gsub, sub, byte, char, format, match, gmatch =
  string.find, string.gsub, string.sub, string.byte, string.char, string.format, string.match,
  string.gmatch
local co_create, co_resume, co_status, yield, yieldable =
  coroutine.create, coroutine.resume, coroutine.status, coroutine.yield, coroutine.isyieldable
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
local promises = {}                                -- promise -> its state; where there may be any
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
  if used > soft_steps then
    if used > max_steps then kill("steps") end
    soft_steps = max_steps
    suspend(PAUSE)                                 -- so that the host can warn the script
  end
  if gc("count") > soft_memory then
    suspend(PAUSE)                                 -- the host collects garbage, or warns the script
    pauses = pauses + 1
    if pauses == MAX_PAUSES or gc("count") > soft_memory then soft_memory = huge end
  end
  local now = clock()
  if not mark then mark, turn_end, run_end = now, now + turn_end, now + run_end end
  local spent = now - mark
  -- Look at the clock every 30 to 100 us, however long this script's steps are.
  if spent < 0.00003 then
    if quota < 256 then quota = quota * 2 end
  elseif spent > 0.0001 then
    quota = floor(quota * 0.00006 / spent) + 1
  end
  mark = now
  if now >= turn_end and not suspend(PAUSE) and now >= run_end then kill("time") end
  granted, n = granted - n - 1, -1                 -- another task may have left a part of its grant
  local left = soft_steps - granted - 1
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
  if not ok and rawequal((...), OOM) then kill("memory") end
  return ok, ...
end

-- Has the host give a part, before anything else goes on.
local function ask(part)
  event("need", 0, part, false)
  suspend(PAUSE)
  return need(part)
end

-- Errors. ---------------------------------------------------------------------------------------

local plain                                        -- text of a value that holds no other

local MAX_LEVELS = 500                             -- finding one takes as many steps as it is deep

-- Names of the script may be any bytes, or cut in the middle of a character.
local function shown(name)
  return find(name, "[\128-\255]") and byte(plain(name)) ~= 34 and gsub(name, "[\128-\255]", "?") or name
end

local function script_frames(co)
  local frames, level = {}, 0
  while #frames < 20 and level < MAX_LEVELS do
    local info
    if co then info = getinfo(co, level, "Sln") else info = getinfo(level + 2, "Sln") end
    if not info then break end
    if info.currentline > 0 then                  -- this chunk is stripped: it has no lines
      frames[#frames + 1] = { shown(info.short_src), info.currentline, shown(sub(info.name or "", 1, 100)) }
    end
    level = level + 1
  end
  return frames
end

-- The frames of a coroutine as text.
local function places(co)
  local frames = script_frames(co)
  for i = 1, #frames do
    local frame = frames[i]
    frames[i] = "[" .. plain(frame[1]) .. "," .. frame[2] .. "," .. plain(frame[3]) .. "]"
  end
  return "[" .. concat(frames, ",") .. "]"
end

local show                                         -- what print shows: no addresses

local fault_meta = {
  __tostring = function(e)
    local message = rawget(e, "message")
    return faults[e].where .. (type(message) == "string" and message or "?")
  end,
  __concat = function(a, b) return show(a) .. show(b) end,
  __metatable = false,
}

-- Raises the error object of a capability. One that came from a function of the script knows where.
local function fault(e)
  local frame = not e.line and script_frames()[1]
  if frame then e.file, e.line = frame[1], frame[2] end
  faults[e] = { where = e.line and e.file .. ":" .. e.line .. ": " or "", class = e.class,
    called = e.called or e.capability }
  e.type = e.type or e.class or "HostFailure"
  e.class, e.called = nil, nil
  error(setmetatable(e, fault_meta), 0)
end

local function bad(message, level) error(message, (level or 1) + 1) end
