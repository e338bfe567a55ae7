-- Text and characters in quotes, as Go writes and reads them.

local inside = ...
local T = inside.tengo
local byte, sub, char, next, tonumber = inside.string.byte, inside.string.sub, inside.string.char, inside.next, inside.tonumber
local format, find, match, gsub, concat, counted = inside.format, inside.find, inside.match, inside.gsub, inside.concat, inside.counted
local utf8code, utf8len, char_text = inside.utf8.codepoint, inside.utf8.len, T.char_text

-- Characters beyond ASCII that show nothing: the ranges of spaces, marks of direction, private use and what is no character.
local HIDDEN = { 0x80, 0xA0, 0xAD, 0xAD, 0x61C, 0x61C, 0x1680, 0x1680, 0x180E, 0x180E, 0x2000, 0x200F, 0x2028, 0x202F, 0x205F, 0x206F,
  0x3000, 0x3000, 0xD800, 0xF8FF, 0xFDD0, 0xFDEF, 0xFEFF, 0xFEFF, 0xFFF0, 0xFFFB, 0xFFFE, 0xFFFF, 0xE0000, 0xE00FF, 0xF0000, 0x10FFFF }
local function printable(code)
  if code < 0x80 then return code >= 32 and code < 127 end
  for i = 1, #HIDDEN, 2 do
    if code >= HIDDEN[i] and code <= HIDDEN[i + 1] then return false end
  end
  return code & 0xFFFE ~= 0xFFFE
end

local SIMPLE = { [7] = "\\a", [8] = "\\b", [9] = "\\t", [10] = "\\n", [11] = "\\v", [12] = "\\f", [13] = "\\r", [92] = "\\\\" }
local function escaped(code, mark, ascii)
  if code == byte(mark) then return "\\" .. mark end
  if SIMPLE[code] then return SIMPLE[code] end
  if printable(code) and (code < 128 or not ascii) then return char_text(code) end
  return format(code < 128 and "\\x%02x" or code < 0x10000 and "\\u%04x" or "\\U%08x", code)
end

-- In marks; what is no UTF-8 is told byte by byte.
local function quote(s, mark, ascii)
  local out, i, n = { mark }, 1, 1
  while i <= #s do
    counted()
    local after = match(s, "^[%w ,.:;_/()-]+()", i)
    n = n + 1
    if after then
      out[n], i = sub(s, i, after - 1), after
    elseif utf8len(s, i, i) then
      local code = utf8code(s, i)
      out[n], i = escaped(code, mark, ascii), i + #char_text(code)
    else
      out[n], i = format("\\x%02x", byte(s, i)), i + 1
    end
  end
  out[n + 1] = mark
  return concat(out)
end

local BACK = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v", ["\\"] = "\\" }
local FORMS = { { "^x(%x%x)", 16 }, { "^u(%x%x%x%x)", 16 }, { "^U(%x%x%x%x%x%x%x%x)", 16 }, { "^([0-7][0-7][0-7])", 8 } }
local function unescape(s, at, mark)
  local c = sub(s, at, at)
  if BACK[c] or c == mark and c ~= "" then return BACK[c] or c, at + 1 end
  for i, form in next, FORMS do
    local digits = match(s, form[1], at)
    if digits then
      local code = tonumber(digits, form[2])
      at = at + #digits + (i < 4 and 1 or 0)
      if i == 1 or i == 4 then return code < 256 and char(code) or nil, at end
      if code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then return nil end
      return char_text(code), at
    end
  end
end

-- What a literal of Go stands for; nil where it is none.
local function unquote(s)
  local mark = sub(s, 1, 1)
  local body = sub(s, 2, -2)
  if #s < 2 or sub(s, -1) ~= mark or not find(mark, "[\"'`]") then return nil end
  if mark == "`" then
    if find(body, "`", 1, true) then return nil end
    return (gsub(body, "\r", ""))
  end
  if find(body, "\n", 1, true) then return nil end
  local out, at = {}, 1
  while true do
    counted()
    local stop = find(body, "[\\" .. mark .. "]", at)
    out[#out + 1] = sub(body, at, (stop or 0) - 1)
    if not stop then break end
    local text, after
    if sub(body, stop, stop) == "\\" then text, after = unescape(body, stop + 1, mark) end
    if not text then return nil end
    out[#out + 1], at = text, after
  end
  body = concat(out)
  if mark == "'" and #body > 1 and utf8len(body) ~= 1 then return nil end
  return body
end

return { quote = quote, unquote = unquote, printable = printable }
