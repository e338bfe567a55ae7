-- The module base64.

local inside = ...
local T = inside.tengo
local byte, char, sub, find, gsub, concat, counted = inside.string.byte, inside.string.char, inside.string.sub, inside.find, inside.gsub, inside.concat, inside.counted

local STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local URL = sub(STANDARD, 1, 62) .. "-_"

local function encode(s, digits, padded)
  local out = {}
  for i = 1, #s, 3 do
    counted()
    local a, b, c = byte(s, i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    local function digit(shift)
      local d = (n >> shift & 63) + 1
      return sub(digits, d, d)
    end
    out[#out + 1] = digit(18) .. digit(12) .. (b and digit(6) or padded and "=" or "") .. (c and digit(0) or padded and "=" or "")
  end
  return concat(out)
end
T.base64 = function(s) return encode(s, STANDARD, true) end

-- Where a text is no base64, counted from 0.
local function illegal(s, values, padded)
  local i, j = 1, 0
  while i <= #s do
    counted()
    local c = byte(s, i)
    if c == 61 and padded and j >= 2 then
      local at = i
      if j == 2 then at = inside.match(s, "^[\r\n]*()", i + 1) end
      if at > #s then return #s elseif byte(s, at) ~= 61 then return at - 2 end
      return inside.match(s, "^[\r\n]*()", at + 1) - 1
    elseif values[c] then j = (j + 1) % 4
    elseif c ~= 10 and c ~= 13 then return i - 1 end
    i = i + 1
  end
  return #s - j
end

local function decode(text, values, padded)
  if #text > 1024 then inside.look() end
  local s = gsub(text, "[\r\n]", "")
  local body, pad = inside.match(s, "^([^=]*)(=*)$")
  local tail = body and #body % 4
  if not body or tail == 1 or padded and #pad ~= (4 - tail) % 4 or not padded and pad ~= "" then
    return nil, illegal(text, values, padded)
  end
  local out = {}
  for i = 1, #body, 4 do
    counted()
    local n, count = 0, 0
    for j = i, i + 3 do
      local c = byte(body, j)
      local d = c and values[c]
      if c and not d then return nil, illegal(text, values, padded) end
      n = n << 6 | (d or 0)
      if c then count = count + 1 end
    end
    out[#out + 1] = sub(char(n >> 16 & 255, n >> 8 & 255, n & 255), 1, count - 1)
  end
  return concat(out)
end

local M = {}
local function define(prefix, digits, padded)
  local values = {}
  for i = 1, 64 do values[byte(digits, i)] = i - 1 end
  M[prefix .. "encode"] = T.known("user-function:", function(v)
    local b = T.to_bytes(v)
    if not b then T.wrong_type("user-function:", "first", "bytes(compatible)", v) end
    return encode(b[T.KEY], digits, padded)
  end, 1, 1)
  M[prefix .. "decode"] = T.known("user-function:", function(v)
    local s = T.to_string(v)
    if not s then T.wrong_type("user-function:", "first", "string(compatible)", v) end
    local made, why = decode(s, values, padded)
    if not made then return T.error("illegal base64 data at input byte " .. why) end
    return T.new_bytes(made)
  end, 1, 1)
end
define("", STANDARD, true)
define("raw_", STANDARD, false)
define("url_", URL, true)
define("raw_url_", URL, false)
return M
