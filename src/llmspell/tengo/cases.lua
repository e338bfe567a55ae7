-- Letters beyond ASCII in their other cases, character by character: upper, lower, title, and what all of one letter share.

local inside = ...
local T = inside.tengo
local sub, concat, counted = inside.string.sub, inside.concat, inside.counted
local utf8code, utf8len, char_text = inside.utf8.codepoint, inside.utf8.len, T.char_text
local unicode = inside.need("tengo_unicode") or inside.ask("tengo_unicode")

local CLASSES = { upper = unicode.class("Lu"), lower = unicode.class("Ll"), title = unicode.class("Lt") }
local function is(name, code)
  local ranges = CLASSES[name]
  local low, high = 1, #ranges // 2
  while low <= high do
    local middle = (low + high) // 2
    if code < ranges[2 * middle - 1] then high = middle - 1
    elseif code > ranges[2 * middle] then low = middle + 1
    else return true end
  end
  return false
end

-- The least of the other cases of a letter that is of a class; of numerals and symbols, the one on the wanted side.
local function is_letter(code) return is("upper", code) or is("lower", code) or is("title", code) end
local function other(code, wanted)
  local found, by_side = unicode.folded({ code, code }), wanted ~= "title" and not is_letter(code)
  local least
  for i = 3, #found, 2 do
    local c = found[i]
    local fits = is(wanted, c)
    if not fits and by_side and not is_letter(c) then fits = (c < code) == (wanted == "upper") end
    if fits and (not least or c < least) then least = c end
  end
  return least
end

local ALONE = { [0xDF] = { upper = 0xDF }, [0x130] = { lower = 0x69 }, [0x131] = { upper = 0x49 }, [0x3A3] = { lower = 0x3C3 },
  [0x39C] = { lower = 0x3BC }, [0xA64A] = { lower = 0xA64B } }
local made = { upper = {}, lower = {}, title = {}, fold = {} }
local function map(code, wanted)
  if wanted == "fold" then
    local found = unicode.folded({ code, code })
    local least = code
    for i = 3, #found, 2 do
      if found[i] < least then least = found[i] end
    end
    return least < 128 and least | 32 or least
  end
  local alone = ALONE[code]
  if alone and alone[wanted] then return alone[wanted] end
  if wanted == "title" then
    if is("title", code) or code >= 0x10D0 and code <= 0x10FF then return code end
    return other(code, "title") or map(code, "upper")
  end
  if is(wanted, code) or wanted == "lower" and is("lower", code) then return code end
  if wanted == "lower" and not is("upper", code) and not is("title", code) and other(code, "upper") then return code end
  return other(code, wanted) or wanted == "upper" and other(code, "title") or code
end

local ASCII = { upper = inside.string.upper, title = inside.string.upper, lower = inside.string.lower, fold = inside.string.lower }
local function character(c, wanted)
  if #c == 1 then return inside.string.byte(c) < 128 and ASCII[wanted](c) or "\xEF\xBF\xBD" end
  local known = made[wanted]
  if not known[c] then known[c] = utf8len(c) and char_text(map(utf8code(c), wanted)) or "\xEF\xBF\xBD" end
  return known[c]
end

-- All of a text; or, with `begins`, only what it says of the character before each, the rest as it is.
local function cased(s, wanted, begins)
  local out, n, i, before = {}, 0, 1, " "
  while i <= #s do
    counted()
    local after = T.after(s, i)
    local c = sub(s, i, after - 1)
    n = n + 1
    out[n] = (not begins or begins(before)) and character(c, wanted) or utf8len(c) and c or "\xEF\xBF\xBD"
    i, before = after, c
  end
  return concat(out)
end
return cased
