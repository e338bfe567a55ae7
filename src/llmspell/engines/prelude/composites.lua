-- Values that hold others, to text and back: tables, lists, functions, handles. A spell that sends
-- and gets only texts and numbers does without.

local inside = ...
local error, pcall, type, next, rawget, rawlen, tonumber, concat, find, gsub, match, gmatch,
  format, bad, look, checked, lists, handles, promises, functions, plain, quote,
  is_utf8, null, max_depth, need =
  inside.error, inside.pcall, inside.type, inside.next, inside.rawget, inside.rawlen,
  inside.tonumber, inside.concat, inside.find, inside.gsub, inside.match, inside.gmatch,
  inside.format, inside.bad, inside.look, inside.checked, inside.lists,
  inside.handles, inside.promises, inside.functions, inside.plain, inside.quote, inside.is_utf8,
  inside.null, inside.max_depth, inside.need
local byte, char, sub, sort, floor, huge, mathtype, utf8char =
  inside.byte, inside.char, inside.sub, inside.sort, inside.floor, inside.huge, inside.mathtype,
  inside.utf8char

-- To text, with raw access only. ----------------------------------------------------------------

local MAX_NODES, FEW = 100000, 6                   -- of few values each text is looked at by itself
local function_ids = {}

-- What is being written: pieces of text and how many, values seen, and the way to this one.
local out, size, nodes, path, seen
local texts, text_count, unread                    -- texts not looked at yet, and where they begin
local shapes, key_count = {}, 0                    -- depth -> the keys of the last map there, sorted
local first_keys, later_keys = {}, {}              -- key -> '{"key":' and ',"key":'
local MAX_KEYS, MAX_WHILE = 32, 1000               -- kept for the next value, and while one is written

-- Fails with {path, reason}: the caller knows what the value is called.
local function refuse(depth, reason)
  local steps = {}
  for i = 1, depth - 1 do
    local step = path[i]
    steps[i] = type(step) == "number" and "[" .. step .. "]" or "." .. step
  end
  error({ concat(steps), reason }, 0)
end

-- A short text goes out as three pieces, because making one string of them is what costs. Whether
-- one needs escapes is asked of many at once.
local function look_at_texts()
  local all = text_count > 4 and concat(texts, " ", 1, text_count)
  if not all or not is_utf8(all) or find(all, '"', 1, true) or find(all, "\\", 1, true)
      or match(all, "^%C*()") <= #all then
    local i = unread
    while i <= size do
      if out[i] == '"' then
        out[i], out[i + 1], out[i + 2] = "", plain(out[i + 1]), ""
        i = i + 2
      end
      i = i + 1
    end
  end
  text_count, unread = 0, size + 1
end

local encode

-- The list from place `i` on, where the order of `next` was not that of the items.
local function encode_rest(v, i, depth)
  local count, items = 0, rawlen(v)
  for _ in next, v do count = count + 1 end
  if count ~= items then
    for k in next, v do
      if type(k) ~= "number" then
        refuse(depth, "mixes list items with " .. (type(k) == "string" and "the key " .. k or "a " .. type(k) .. " as key"))
      end
    end
    refuse(depth, "is a list with holes")
  end
  for at = i, items do
    if at > 1 then
      size = size + 1
      out[size] = ","
    end
    path[depth] = at
    encode(rawget(v, at), depth + 1)
  end
end

local function forget_keys() shapes, first_keys, later_keys, key_count = {}, {}, {}, 0 end

local function check_key(k, depth, keep)
  if type(k) ~= "string" then
    refuse(depth, type(k) == "number" and "is a list with holes"
      or "has a " .. type(k) .. " as key, and keys must be strings")
  end
  if byte(k) == 0 then refuse(depth, "has a key that starts with NUL") end
  if not is_utf8(k) then refuse(depth, "has a key that is not valid UTF-8") end
  if not keep then return end
  if key_count == MAX_WHILE then forget_keys() end
  local text = quote(k) .. ":"
  key_count = key_count + 1
  first_keys[k], later_keys[k] = "{" .. text, "," .. text
end

-- The keys in order: the same call must have the same text, in every run. Records of one kind
-- come one after another, so the last map at this depth is tried first.
local function sorted_keys(v, depth)
  local shape, count = shapes[depth], 0
  for _ in next, v do count = count + 1 end
  if shape and #shape == count then
    local same = true
    for i = 1, count do
      if rawget(v, shape[i]) == nil then
        same = false
        break
      end
    end
    if same then return shape, count end
  end
  shape = {}
  local i, keep = 0, count <= 64
  for k in next, v do
    i = i + 1
    if not later_keys[k] then check_key(k, depth, keep) end
    shape[i] = k
  end
  sort(shape)
  shapes[depth] = keep and shape or nil
  return shape, count
end

local function encode_table(v, depth)
  if depth > max_depth then refuse(depth, "is nested too deep (more than " .. max_depth .. " levels)") end
  if seen[v] then refuse(depth, "contains itself") end
  seen[v] = true
  local key = next(v)
  if key == nil then
    size = size + 1
    out[size] = lists[v] == false and "{}" or "[]"
  elseif key == 1 or rawlen(v) > 0 then
    size = size + 1
    out[size] = "["
    local i, all = 0, true
    for k, item in next, v do
      if k ~= i + 1 then
        all = false
        break
      end
      i = k
      if i > 1 then
        size = size + 1
        out[size] = ","
      end
      path[depth] = i
      encode(item, depth + 1)
    end
    if not all then encode_rest(v, i + 1, depth) end
    size = size + 1
    out[size] = "]"
  else
    local keys, count = sorted_keys(v, depth)
    for i = 1, count do
      local k = keys[i]
      local text
      if i == 1 then text = first_keys[k] else text = later_keys[k] end
      size = size + 1
      out[size] = text or (i == 1 and "{" or ",") .. quote(k) .. ":"
      path[depth] = k
      encode(rawget(v, k), depth + 1)
    end
    size = size + 1
    out[size] = "}"
  end
  seen[v] = nil
end

function encode(v, depth)
  local kind, text = type(v), nil
  nodes = nodes + 1
  if nodes > MAX_NODES then refuse(depth, "is one of more than " .. MAX_NODES .. " values") end
  if kind == "string" and nodes > FEW and #v < 1024 then
    out[size + 1], out[size + 2], out[size + 3] = '"', v, '"'
    size, text_count = size + 3, text_count + 1
    texts[text_count] = v
    if text_count == 256 then look_at_texts() end
    return
  end
  text = mathtype and mathtype(v) == "integer" and v or plain(v)
  if text then
    size = size + 1
    out[size] = text
    return
  end
  if kind == "number" then refuse(depth, "is not a finite number") end
  if kind == "function" then
    local id = function_ids[v]
    if not id then
      id = #functions + 1
      functions[id], function_ids[v] = v, id
    end
    text = '{"\\u0000function":' .. id .. "}"
  elseif kind == "table" then
    if handles[v] then
      text = gsub(handles[v], "^(.*)#(.*)$", '{"\\u0000handle":["%1",%2]}')
    elseif promises[v] then
      refuse(depth, "is a promise: await it first")
    else
      return encode_table(v, depth)
    end
  else
    refuse(depth, "is a " .. (kind == "thread" and "coroutine" or kind) .. ", which cannot cross")
  end
  size = size + 1
  out[size] = text
end

-- Gives the text of one value and how many values there are with the `before`, or nil and what is
-- wrong with it under the name `called`.
local function to_text(v, called, before)
  out, size, nodes, path, seen = {}, 0, before or 0, {}, {}
  texts, text_count, unread = {}, 0, 1
  local ok, e = pcall(encode, v, 1)
  if ok and text_count > 0 then look_at_texts() end
  local text = ok and concat(out, "", 1, size)
  out, path, seen, texts = nil, nil, nil, nil
  if key_count > MAX_KEYS then forget_keys() end
  if nodes > 1000 then look() end
  if ok then return text, nodes end
  checked(false, e)                                -- ends the run if that was the reason
  if type(e) ~= "table" then error(e, 0) end
  return nil, called .. e[1] .. " " .. e[2]
end

-- From text. The host made the text, so it is well formed. -------------------------------------

local function utf8_of(code)
  if utf8char then return utf8char(code) end
  if code < 128 then return char(code) end
  if code < 2048 then return char(192 + floor(code / 64), 128 + code % 64) end
  return char(224 + floor(code / 4096), 128 + floor(code / 64) % 64, 128 + code % 64)
end

local unescapes = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local slash = 0                                    -- where the next backslash of the text is

-- The end of a string that holds backslashes, and its text.
local function decode_escaped(s, pos, stop)
  while true do
    local back = stop - 1
    while back >= pos and byte(s, back) == 92 do back = back - 1 end
    if (stop - back) % 2 == 1 then break end
    stop = find(s, '"', stop + 1, true)
  end
  local text = sub(s, pos, stop - 1)
  slash = find(s, "\\", stop, true) or huge
  if not find(text, "\\u", 1, true) then return (gsub(text, "\\(.)", unescapes)), stop + 1 end
  local parts, from, at = {}, 1, find(text, "\\", 1, true)
  while at do
    parts[#parts + 1] = sub(text, from, at - 1)
    local c = sub(text, at + 1, at + 1)
    if c == "u" then
      parts[#parts + 1] = utf8_of(tonumber(sub(text, at + 2, at + 5), 16))
      from = at + 6
    else
      parts[#parts + 1] = unescapes[c]
      from = at + 2
    end
    at = find(text, "\\", from, true)
  end
  parts[#parts + 1] = sub(text, from)
  return concat(parts), stop + 1
end

local function number_of(text)
  local digits = not mathtype and #text > 15 and match(text, "^-?(%d+)$")
  if digits and (#digits > 16 or #digits == 16 and digits > "9007199254740992") then
    bad("the integer " .. text .. " cannot cross: numbers of this engine are exact up to 2^53 only")
  end
  return tonumber(text)
end

local decode_at

local function decode_list(s, pos)
  local t, i, c = {}, 0, byte(s, pos)
  if c == 93 then
    lists[t] = true
    return t, pos + 1
  end
  while true do
    local v, sign
    v, pos = decode_at(s, pos, c)
    i = i + 1
    if v == nil then v = null end
    t[i] = v
    sign, c = byte(s, pos, pos + 1)
    pos = pos + 1
    if sign == 93 then return t, pos end
    if i == 4 and c < 58 and c ~= 34 then          -- many numbers are faster to take apart at once
      local _, stop = find(s, "^[-+%d.eE,]*%]", pos)
      if stop then
        for text in gmatch(sub(s, pos, stop - 1), "[^,]+") do
          i = i + 1
          t[i] = number_of(text)
        end
        return t, stop + 1
      end
    end
  end
end

local function from_hex(h) return char(tonumber(h, 16)) end

local function decode_map(s, pos)
  local t = {}
  if byte(s, pos) == 125 then
    lists[t] = false
    return t, pos + 1
  end
  while true do
    local k, v, escaped
    local stop = find(s, '"', pos + 1, true)
    if stop < slash then
      k, pos = sub(s, pos + 1, stop - 1), stop + 1
    else
      k, pos = decode_escaped(s, pos + 1, stop)
      escaped = byte(k) == 0                       -- NUL stands there as an escape
    end
    v, pos = decode_at(s, pos + 1, byte(s, pos + 1))
    if escaped then
      if k == "\0handle" then return need("handles").new(v[1], v[2]), pos + 1 end
      if k == "\0bytes" then return gsub(v, "..", from_hex), pos + 1 end
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

function decode_at(s, pos, c)
  if c == 34 then
    local stop = find(s, '"', pos + 1, true)
    if stop < slash then return sub(s, pos + 1, stop - 1), stop + 1 end
    return decode_escaped(s, pos + 1, stop)
  elseif c < 58 then
    local text, stop = match(s, "^([-+%d.eE]+)()", pos)
    return number_of(text), stop
  elseif c == 123 then return decode_map(s, pos + 1)
  elseif c == 91 then return decode_list(s, pos + 1)
  elseif c == 116 then return true, pos + 4
  elseif c == 102 then return false, pos + 5 end
  return nil, pos + 4
end

local function decode(s)
  slash = find(s, "\\", 1, true) or huge
  local value = decode_at(s, 1, byte(s))
  return value
end

return { to_text = to_text, decode = decode }
