-- The text form of values: written and read inside the VM, with raw access only.

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
          refuse(path, depth, "mixes list items with " .. (type(k) == "string" and "the key " .. k or "a " .. type(k) .. " as key"))
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
  elseif kind == "nil" or rawequal(v, null) then
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
  if nodes > 1000 then look() end
  if ok then return out[2] and concat(out) or out[1] end
  if killed or rawequal(e, OOM) then checked(false, e) end
  if type(e) ~= "table" then error(e, 0) end
  return nil, e[1] .. " " .. e[2]
end

-- Text to values. The host made the text, so it is well formed. --------------------------------

local methods = {}                                 -- handle kind -> metatable

local methods_of                                   -- makes the metatable of one kind

local function new_handle(kind, id)
  local proxy = setmetatable({}, methods[kind] or methods_of(kind))
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
    if byte(s, pos) == 125 then
      if next(t) == nil then lists[t] = false end
      return t, pos + 1
    end
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
  local digits = not mathtype and #text > 15 and match(text, "^-?(%d+)$")
  if digits and (#digits > 16 or #digits == 16 and digits > "9007199254740992") then
    bad("the integer " .. text .. " cannot cross: numbers of this engine are exact up to 2^53 only")
  end
  return v, stop + 1
end

local function decode(s)
  return (decode_at(s, 1))
end
