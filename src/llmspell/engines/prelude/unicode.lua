-- The library utf8, where the VM has none. Texts are walked here, so every character is counted.

local inside = ...
local string, type, select, tonumber, concat, unpack, bad, counted, floor =
  inside.string, inside.type, inside.select, inside.tonumber, inside.concat, inside.unpack,
  inside.bad, inside.counted, inside.math.floor
local byte, char = string.byte, string.char

local MOST = 0x7FFFFFFF
local LEAST = { 0x80, 0x800, 0x10000, 0x200000, 0x4000000 } -- of as many bytes as follow the first

local function text(s, name)
  if type(s) == "number" then return s .. "" end
  if type(s) ~= "string" then bad("bad argument #1 to '" .. name .. "' (string expected, got " .. type(s) .. ")", 3) end
  return s
end

local function place(i, default, size, n, name)
  if i == nil then return default end
  local at = tonumber(i)
  if not at or at % 1 ~= 0 then
    bad("bad argument #" .. n .. " to '" .. name .. "' (number expected, got " .. type(i) .. ")", 3)
  end
  return at < 0 and size + at + 1 or at
end

-- The character at a place and where the next one begins; nil where there is no valid one.
local function decode(s, at, lax)
  counted()
  local c = byte(s, at)
  if not c or c < 0x80 then return c, at + 1 end
  if c < 0xC0 or c > 0xFD then return nil end
  local more = c < 0xE0 and 1 or c < 0xF0 and 2 or c < 0xF8 and 3 or c < 0xFC and 4 or 5
  local code = c % 2 ^ (6 - more)
  for i = 1, more do
    local d = byte(s, at + i)
    if not d or d < 0x80 or d > 0xBF then return nil end
    code = code * 64 + d - 0x80
  end
  if code < LEAST[more] then return nil end
  if not lax and (code > 0x10FFFF or code >= 0xD800 and code <= 0xDFFF) then return nil end
  return code, at + more + 1
end

local function follows(s, at)
  local c = byte(s, at)
  return c and c >= 0x80 and c < 0xC0
end

local lib = { charpattern = "[%z\1-\127\194-\253][\128-\191]*" }

function lib.char(...)
  local parts = {}
  for i = 1, select("#", ...) do
    counted()
    local code = tonumber((select(i, ...)))
    if not code or code % 1 ~= 0 then bad("bad argument #" .. i .. " to 'char' (number expected)", 2) end
    if code < 0 or code > MOST then bad("bad argument #" .. i .. " to 'char' (value out of range)", 2) end
    if code < 0x80 then
      parts[i] = char(code)
    else
      local tail, first = "", 64
      repeat
        tail = char(0x80 + code % 64) .. tail
        code, first = floor(code / 64), first / 2
      until code < first
      parts[i] = char(256 - first * 2 + code) .. tail
    end
  end
  return concat(parts)
end

function lib.len(s, i, j, lax)
  s = text(s, "len")
  local at, last = place(i, 1, #s, 2, "len"), place(j, #s, #s, 3, "len")
  if at < 1 or at > #s + 1 then bad("bad argument #2 to 'len' (initial position out of bounds)", 2) end
  if last > #s then bad("bad argument #3 to 'len' (final position out of bounds)", 2) end
  local count = 0
  while at <= last do
    local code, stop = decode(s, at, lax)
    if not code then return nil, at end
    at, count = stop, count + 1
  end
  return count
end

function lib.codepoint(s, i, j, lax)
  s = text(s, "codepoint")
  local at = place(i, 1, #s, 2, "codepoint")
  local last = place(j, at, #s, 3, "codepoint")
  if at < 1 then bad("bad argument #2 to 'codepoint' (out of bounds)", 2) end
  if last > #s then bad("bad argument #3 to 'codepoint' (out of bounds)", 2) end
  if last - at > 7000 then bad("string slice too long", 2) end
  local codes, count = {}, 0
  while at <= last do
    local code, stop = decode(s, at, lax)
    if not code then bad("invalid UTF-8 code", 2) end
    count = count + 1
    codes[count], at = code, stop
  end
  return unpack(codes, 1, count)
end

function lib.codes(s, lax)
  s = text(s, "codes")
  if follows(s, 1) then bad("bad argument #1 to 'codes' (invalid UTF-8 code)", 2) end
  return function(_, at)
    at = at + 1
    while at > 1 and follows(s, at) do at = at + 1 end
    if at > #s then return nil end
    local code, stop = decode(s, at, lax)
    if not code or follows(s, stop) then bad("invalid UTF-8 code", 2) end
    return at, code
  end, s, 0
end

function lib.offset(s, n, i)
  s, n = text(s, "offset"), tonumber(n)
  if not n or n % 1 ~= 0 then bad("bad argument #2 to 'offset' (number expected)", 2) end
  local at = place(i, n >= 0 and 1 or #s + 1, #s, 3, "offset")
  if at < 1 or at > #s + 1 then bad("bad argument #3 to 'offset' (position out of bounds)", 2) end
  if n == 0 then
    while at > 1 and follows(s, at) do
      counted()
      at = at - 1
    end
    return at
  end
  if follows(s, at) then bad("initial position is a continuation byte", 2) end
  while n < 0 and at > 1 do
    repeat
      counted()
      at = at - 1
    until at <= 1 or not follows(s, at)
    n = n + 1
  end
  if n > 0 then n = n - 1 end
  while n > 0 and at <= #s do
    repeat
      counted()
      at = at + 1
    until not follows(s, at)
    n = n - 1
  end
  return n == 0 and at or nil
end

return { utf8 = lib }
