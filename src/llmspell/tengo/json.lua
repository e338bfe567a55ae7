-- The module json. Maps are written in the order of their keys.

local inside = ...
local T = inside.tengo
local type, setmetatable, getmetatable, rawequal = inside.type, inside.setmetatable, inside.raw_metatable, inside.rawequal
local byte, sub, find, gsub, match, format, concat, counted, tonumber =
  inside.string.byte, inside.string.sub, inside.find, inside.gsub, inside.match, inside.format, inside.concat, inside.counted, inside.tonumber
local U, KEY, OWN, MAP = T.U, T.KEY, T.OWN, T.MAP
local MAX_DEPTH = 150

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local function escape(c) return ESCAPES[c] or format("\\u%04x", byte(c)) end
local function quote(s)
  if #s > 1024 then inside.look() end
  return '"' .. gsub(s, '[%z\1-\31"\\]', escape) .. '"'
end

local function number(v)
  if T.is_int(v) then return format("%d", v) end
  if v ~= v or v == 1 / 0 or v == -1 / 0 then return nil, "unsupported float value" end
  local size = v < 0 and -v or v
  if size ~= 0 and (size < 1e-6 or size >= 1e21) then
    return (v < 0 and "-" or "") .. gsub(T.float_digits(size, "e"), "e%-0", "e-")
  end
  return T.float_text(v)
end

local function encode(v, out, depth)
  counted()
  if depth > MAX_DEPTH then return "nested too deep" end
  local kind = type(v)
  if kind == "string" then out[#out + 1] = quote(v)
  elseif kind == "number" then
    local s, why = number(v)
    if not s then return why end
    out[#out + 1] = s
  elseif kind == "boolean" then out[#out + 1] = v and "true" or "false"
  elseif v == U then out[#out + 1] = "null"
  elseif T.is_array(v) then
    local t = T.items_of(v)
    out[#out + 1] = "["
    for i = 0, T.length(t) - 1 do
      if i > 0 then out[#out + 1] = "," end
      local why = encode(t[i], out, depth + 1)
      if why then return why end
    end
    out[#out + 1] = "]"
  elseif T.is_map(v) then
    local t = T.items_of(v)
    local keys, n = T.sorted_keys(t)
    out[#out + 1] = "{"
    for i = 1, n do
      out[#out + 1] = (i > 1 and "," or "") .. quote(keys[i]) .. ":"
      local why = encode(t[keys[i]], out, depth + 1)
      if why then return why end
    end
    out[#out + 1] = "}"
  elseif kind == "table" then
    local name = getmetatable(v).type
    if name == "char" then out[#out + 1] = format("%d", v[KEY])
    elseif name == "bytes" then
      inside.need("tengo_base64")
      out[#out + 1] = '"' .. T.base64(v[KEY]) .. '"'
    elseif name == "time" then out[#out + 1] = quote(T.time_text(v, "2006-01-02T15:04:05.999999999Z07:00"))
    else return "unsupported type: " .. name end
  else
    return "unsupported type: " .. T.type_name(v)
  end
end

-- Reading. ------------------------------------------------------------------------------------------

-- What is wrong at a place, in the words of Go: a text that ends there is read as if a space followed.
local function wrong(s, i, context)
  local c = sub(s, i, i)
  if c == "" then
    if context == "in string literal" or not find(context, "^in ") and not find(context, "point") then
      return nil, "unexpected end of JSON input"
    end
    c = " "
  end
  local shown = c == "'" and "\\'" or c == '"' and c or sub(T.quote(T.char_text(byte(c))), 2, -2)
  return nil, "invalid character '" .. shown .. "' " .. context
end

local decode
local function skip(s, i) return match(s, "^[ \t\r\n]*()", i) end

-- Text with a mark for each byte that is no UTF-8.
local function mended(s)
  if inside.utf8.len(s) then return s end
  local out, i = {}, 1
  while i <= #s do
    counted()
    local after = T.after(s, i)
    local c = sub(s, i, after - 1)
    out[#out + 1], i = inside.utf8.len(c) and c or "\xEF\xBF\xBD", after
  end
  return concat(out)
end

local BACK = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local function string_at(s, i)
  local out, from = {}, i
  while true do
    counted()
    local at = find(s, '["\\%z\1-\31]', from)
    if not at then return wrong("", 1, "in string literal") end
    out[#out + 1] = mended(sub(s, from, at - 1))
    local c = sub(s, at, at)
    if c == '"' then return concat(out), at + 1 end
    if c ~= "\\" then return wrong(s, at, "in string literal") end
    c = sub(s, at + 1, at + 1)
    if c == "u" then
      local digits = match(s, "^%x*", at + 2)
      if #digits < 4 then return wrong(s, at + 2 + #digits, "in \\u hexadecimal character escape") end
      local code = tonumber(sub(digits, 1, 4), 16)
      from = at + 6
      if code >= 0xD800 and code < 0xDC00 then
        local low = tonumber(match(s, "^\\u(%x%x%x%x)", from) or "", 16)
        if low and low >= 0xDC00 and low < 0xE000 then
          code, from = 0x10000 + (code - 0xD800 << 10) + (low - 0xDC00), from + 6
        end
      end
      out[#out + 1] = T.char_text(code)
    else
      if not BACK[c] then return wrong(s, at + 1, "in string escape code") end
      out[#out + 1], from = BACK[c], at + 2
    end
  end
end

local WORDS = { t = { "true", true }, f = { "false", false }, n = { "null", U } }
local function word_at(s, i, word, value)
  for k = 2, #word do
    if byte(s, i + k - 1) ~= byte(word, k) then
      return wrong(s, i + k - 1, "in literal " .. word .. " (expecting '" .. sub(word, k, k) .. "')")
    end
  end
  return value, i + #word
end

local function number_at(s, i)
  local after = match(s, "^-?0()", i) or match(s, "^-?%d+()", i)
  if not after then return wrong(s, i + 1, "in numeric literal") end
  local real = false
  if sub(s, after, after) == "." then
    real, after = true, match(s, "^%.%d+()", after) or -after
    if after < 0 then return wrong(s, 1 - after, "after decimal point in numeric literal") end
  end
  if find(s, "^[eE]", after) then
    local start = match(s, "^[eE][+-]?()", after)
    real, after = true, match(s, "^%d+()", start)
    if not after then return wrong(s, start, "in exponent of numeric literal") end
  end
  local digits = sub(s, i, after - 1)
  if real then return tonumber(digits) + 0.0, after end
  local v, why = T.parse_int(digits, 10)
  if not v then return nil, "strconv.ParseInt: parsing " .. T.quote(digits) .. ": " .. why end
  return v, after
end

function decode(s, i, depth)
  counted()
  if depth > MAX_DEPTH then return nil, "exceeded max depth" end
  i = skip(s, i)
  local c = sub(s, i, i)
  if c == '"' then return string_at(s, i + 1) end
  if c == "[" then
    local t, n = {}, 0
    i = skip(s, i + 1)
    if sub(s, i, i) == "]" then return setmetatable(t, OWN), i + 1 end
    while true do
      local v, after = decode(s, i, depth + 1)
      if v == nil then return nil, after end
      t[n], n = v, n + 1
      i = skip(s, after)
      c = sub(s, i, i)
      if c == "]" then return setmetatable(t, OWN), i + 1 end
      if c ~= "," then return wrong(s, i, "after array element") end
      i = i + 1
    end
  elseif c == "{" then
    local t = {}
    i = skip(s, i + 1)
    if sub(s, i, i) == "}" then return setmetatable(t, MAP), i + 1 end
    while true do
      i = skip(s, i)
      if sub(s, i, i) ~= '"' then return wrong(s, i, "looking for beginning of object key string") end
      local k, after = string_at(s, i + 1)
      if not k then return nil, after end
      i = skip(s, after)
      if sub(s, i, i) ~= ":" then return wrong(s, i, "after object key") end
      local v
      v, after = decode(s, i + 1, depth + 1)
      if v == nil then return nil, after end
      t[k] = v
      i = skip(s, after)
      c = sub(s, i, i)
      if c == "}" then return setmetatable(t, MAP), i + 1 end
      if c ~= "," then return wrong(s, i, "after object key:value pair") end
      i = i + 1
    end
  end
  if WORDS[c] then return word_at(s, i, WORDS[c][1], WORDS[c][2]) end
  if find(c, "[-%d]") then return number_at(s, i) end
  return wrong(s, i, "looking for beginning of value")
end

-- All of a text as a value; nil and what is wrong, where it is not one.
local function whole(s)
  if #s > 1024 then inside.look() end
  local made, after = decode(s, 1, 0)
  if made == nil then return nil, after end
  after = skip(s, after)
  if after <= #s then return wrong(s, after, "after top-level value") end
  return made
end

-- Passes over JSON text, strings apart: `f` is given what is between them.
local function outside_strings(s, f, inside_string)
  local out, i = {}, 1
  while true do
    counted()
    local at = find(s, '"', i, true)
    out[#out + 1] = f(sub(s, i, (at or 0) - 1))
    if not at then return concat(out) end
    local stop = at
    repeat
      counted()
      stop = find(s, '["\\]', stop + 1)
      if stop and sub(s, stop, stop) == "\\" then stop = stop + 1 end
    until not stop or sub(s, stop, stop) == '"' and sub(s, stop - 1, stop - 1) ~= "\\" or stop and sub(s, stop, stop) == '"'
    out[#out + 1] = inside_string(sub(s, at, stop or #s))
    i = (stop or #s) + 1
  end
end

local function text_of(name, v)
  local b = T.to_bytes(v)
  if not b then T.wrong_type("user-function:" .. name, "first", "bytes/string", v) end
  return b[KEY]
end

local M = {}
M.encode = T.known("user-function:encode", function(v)
  local out = {}
  local why = encode(v, out, 0)
  if why then return T.error(why) end
  return T.new_bytes(concat(out))
end, 1, 1)

M.decode = T.known("user-function:decode", function(v)
  local made, why = whole(text_of("decode", v))
  if made == nil then return T.error(why) end
  return made
end, 1, 1)

local function indent_text(which, v)
  local s = T.to_string(v)
  if not s then T.wrong_type("user-function:indent", which, "string(compatible)", v) end
  return s
end
M.indent = T.known("user-function:indent", function(v, prefix, indent)
  prefix, indent = indent_text("prefix", prefix), indent_text("indent", indent)
  local s = text_of("indent", v)
  local made, why = whole(s)
  if made == nil and not find(why, "^strconv") then return T.error(why) end
  -- From behind: a search for the end would try each place of each space.
  local space_behind = sub(s, #s + 2 - match(inside.string.reverse(s), "^[ \t\r\n]*()"))
  local depth, fresh = 0, false
  local function line() return "\n" .. prefix .. inside.string.rep(indent, depth) end
  s = outside_strings(s, function(part)
    part = gsub(part, "%s", "")
    return (gsub(part, ".", function(c)
      counted()
      local open = fresh
      fresh = false
      if c == "{" or c == "[" then
        local before = open and line() or ""
        depth, fresh = depth + 1, true
        return before .. c
      elseif c == "}" or c == "]" then
        depth = depth - 1
        return (open and "" or line()) .. c
      elseif c == "," then return "," .. line()
      elseif c == ":" then return ": " end
      return (open and line() or "") .. c
    end))
  end, function(part)
    local before = fresh and line() or ""
    fresh = false
    return before .. part
  end)
  return T.new_bytes(s .. space_behind)
end, 3, 3)

local HTML = { ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026" }
M.html_escape = T.known("user-function:html_escape", function(v)
  local s = text_of("html_escape", v)
  if #s > 1024 then inside.look() end
  s = gsub(s, "[<>&]", HTML)
  s = gsub(s, "\xE2\x80([\xA8\xA9])", function(c) return c == "\xA8" and "\\u2028" or "\\u2029" end)
  return T.new_bytes(s)
end, 1, 1)
return M
