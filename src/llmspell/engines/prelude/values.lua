-- The text form of values: written and read inside the VM, with raw access only.

-- Values to text, with raw access only. --------------------------------------------------------

local function is_utf8(s)
  if utf8len then return utf8len(s) ~= nil end
  if not find(s, "[\128-\255]") then return true end
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
local function quote(s)
  -- Most texts need no escapes, and a set of characters is four times as slow to look for.
  if find(s, '"', 1, true) or find(s, "\\", 1, true) or match(s, "^%C*()") <= #s then
    s = gsub(s, '[%c"\\]', escapes)
  end
  return '"' .. s .. '"'
end

local functions = {}                               -- those that crossed, by number
local null = setmetatable({}, { __tostring = function() return "null" end, __metatable = false })

local function number_text(v)
  if v ~= v or v == huge or v == -huge then return nil end
  if mathtype then
    if mathtype(v) == "integer" then return v end  -- concat writes it
  elseif v == floor(v) and v >= -2 ^ 53 and v <= 2 ^ 53 then
    return format("%d", v)
  end
  local text = format("%.17g", v)
  if v % 1 == 0 and not find(text, "[.e]") then text = text .. ".0" end
  return text
end

-- A function called for each byte takes a second a megabyte, which no clock can interrupt.
local hex
local function hex_of(s)
  if not hex then
    hex = {}
    for code = 0, 255 do hex[char(code)] = format("%02x", code) end
  end
  return (gsub(s, ".", hex))
end

-- The text of what holds no other value; nil for the rest. An integer may stay one: concat writes it.
function plain(v)
  local kind = type(v)
  if kind == "string" then
    if #v < 64 and not find(v, '[%c"\\\127-\255]') then return '"' .. v .. '"' end
    if is_utf8(v) then return quote(v) end
    return '{"\\u0000bytes":"' .. hex_of(v) .. '"}'
  end
  if kind == "number" then return number_text(v) end
  if kind == "boolean" then return v and "true" or "false" end
  if kind == "nil" or rawequal(v, null) then return "null" end
end

-- Gives the text of one value and how many values there are with the `before`, or nil and what is
-- wrong with it under the name `called`.
local function to_text(v, called, before)
  local text = plain(v)
  if text then return text .. "", (before or 0) + 1 end
  return (need("composites") or ask("composites")).to_text(v, called, before)
end

-- Text to values. The host made the text, so it is well formed, and gives what reads composites first.

local function decode(s)
  if s == "null" then return nil end
  if s == "true" or s == "false" then return s == "true" end
  if s == "{}" then
    local t = {}
    lists[t] = false
    return t
  end
  if byte(s) == 34 and not find(s, "\\", 1, true) then return sub(s, 2, -2) end
  -- Where numbers are doubles, those that do not fit are told apart there.
  return (mathtype or #s < 16) and tonumber(s) or need("composites").decode(s)
end
