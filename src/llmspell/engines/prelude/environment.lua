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
      counted()                                      -- f may be a function of ours that shows v again
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
function env.pcall(f, ...)
  counted()                                        -- f may be a table whose __call is pcall
  return checked(pcall(f, ...))
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

-- What the parts that any program may need can use of this chunk.
local hooks = {}                                   -- what parts do at certain points
local doors = {}                                   -- what the host may do: see door.lua
local furnish                                      -- makes the globals that are in parts
local inside = {
  error = error, pcall = pcall, type = type, next = next, rawget = rawget, rawlen = rawlen,
  setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, concat = concat, sort = sort,
  find = find, gsub = gsub, format = format, match = match, gmatch = gmatch, byte = byte, char = char,
  sub = sub, floor = floor, huge = huge, mathtype = mathtype, utf8char = utf8char, bad = bad, show = show,
  look = look, checked = checked, lists = lists, handles = handles, promises = promises,
  functions = functions, plain = plain, quote = quote, is_utf8 = is_utf8, null = null, need = need,
  faults = faults, to_text = to_text, script_frames = script_frames, co_status = co_status,
  finish = finish, weak = weak, hooks = hooks, event = event, gc = gc,
  newproxy = newproxy, raw_metatable = raw_metatable,
}

function need(part)
  local code = parts[part]
  if code then
    parts[part] = nil
    local f, why = load(code, "=prelude", "b")
    if not f then error(why, 0) end                -- memory has run out
    made[part] = f(inside)
  end
  return made[part]
end

inside.need = need                                 -- for parts that need parts

-- Takes parts the host gives: name, bytecode, name, bytecode ...
local function supply(...)
  for i = 1, select("#", ...), 2 do
    local name, code = select(i, ...)
    parts[name] = code
  end
end

local strings = getmetatable("")
strings.__metatable, strings.__index = false, {}
