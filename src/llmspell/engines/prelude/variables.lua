-- What the variables of a call stack hold, as short text, for errors that are asked to tell it. With raw
-- access only: no code of the script runs here, and no address of the host is shown.

local inside, handles, quote, is_utf8, check = ...
local type, next, rawget, rawlen, rawequal, tostring, sub, concat, sort, clock, getinfo, getlocal,
  getupvalue, faults, promises =
  inside.type, inside.next, inside.rawget, inside.rawlen, inside.rawequal, inside.tostring,
  inside.string.sub, inside.concat, inside.table.sort, inside.os.clock, inside.getinfo,
  inside.getlocal, inside.getupvalue, inside.faults, inside.promises

local MAX_FRAMES, MAX_LEVELS, MAX_NAMES = 20, 500, 20
local MAX_SHOWN = 500                              -- bytes; the host cuts further, behind its filter
local MAX_ALL = 200000                             -- bytes of all values of an error
local MAX_SECONDS = 0.05

local function text_of(v)
  if #v <= MAX_SHOWN and is_utf8(v) then return quote(v) end
  for size = MAX_SHOWN, MAX_SHOWN - 3, -1 do       -- not in the middle of a character
    local text = sub(v, 1, size)
    if is_utf8(text) then return quote(text) .. "..." end
  end
  return #v .. " bytes"
end

local function plain(v)
  local kind = type(v)
  if kind == "string" then return text_of(v) end
  if kind == "nil" or kind == "boolean" or kind == "number" then return tostring(v) end
  if kind ~= "table" then return kind == "thread" and "coroutine" or kind end
  if handles[v] then return handles[v] end
  if promises[v] then return "promise" end
  if faults[v] then
    local message = rawget(v, "message")
    return "error " .. (type(message) == "string" and text_of(message) or "")
  end
end

local function table_of(t)
  local parts, size = {}, 0
  local function add(text)
    parts[#parts + 1] = text
    size = size + #text
    return size < MAX_SHOWN
  end
  for i = 1, rawlen(t) do
    if i > 10 or not add(plain(rawget(t, i)) or "{...}") then break end
  end
  local keys, seen = {}, 0
  for k in next, t do
    seen = seen + 1
    if type(k) == "string" and is_utf8(k) then keys[#keys + 1] = k end
    if seen == 64 then break end
  end
  sort(keys)
  for i = 1, #keys do
    if i > 10 or not add(sub(keys[i], 1, 100) .. " = " .. (plain(rawget(t, keys[i])) or "{...}")) then break end
  end
  if rawlen(t) > 10 or #keys > 10 or seen == 64 then parts[#parts + 1] = "..." end
  return "{" .. concat(parts, ", ") .. "}"
end

return function(co)
  local told, level, room, stop = {}, 0, MAX_ALL, clock() + MAX_SECONDS
  local function show(names, count, name, v)
    if count >= MAX_NAMES or room <= 0 or clock() > stop or not is_utf8(name) then return count end
    local text = plain(v) or table_of(v)
    room = room - #text
    names[name] = text
    return count + 1
  end
  while #told < MAX_FRAMES and level < MAX_LEVELS do
    local info = getinfo(co, level, "lf")
    if not info then break end
    if info.currentline > 0 then                   -- this chunk is stripped: it has no lines
      local locals, upvalues, count = {}, {}, 0
      for i = 1, 200 do
        local name, v = getlocal(co, level, i)
        if not name then break end
        if sub(name, 1, 1) ~= "(" then count = show(locals, count, name, v) end
      end
      local counter                                -- the two names that safepoints brought
      for i = 1, 255 do
        local name, v = getupvalue(info.func, i)
        if not name then break end
        if rawequal(v, check) then counter = sub(name, 1, -2) end
      end
      count = 0
      for i = 1, 255 do
        local name, v = getupvalue(info.func, i)
        if not name then break end
        local ours = counter and (name == counter or name == counter .. "f")
        if name ~= "_ENV" and name ~= "" and not ours then count = show(upvalues, count, name, v) end
      end
      told[#told + 1] = { locals, upvalues }
    end
    level = level + 1
  end
  return told
end
