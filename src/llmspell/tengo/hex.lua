-- The module hex.

local inside = ...
local T = inside.tengo
local byte, char, format, gsub, find, tonumber = inside.string.byte, inside.string.char, inside.format, inside.gsub, inside.find, inside.tonumber

-- A function called for each byte is one call of C: in pieces, with a step for each.
local function by_piece(s, pattern, f, size)
  local out = {}
  for i = 1, #s, size do
    inside.counted()
    out[#out + 1] = gsub(inside.string.sub(s, i, i + size - 1), pattern, f)
  end
  return inside.concat(out)
end
T.by_piece = by_piece

local function invalid_byte(c)
  local quotes, code = inside.need("tengo_quote"), byte(c)
  local shown = quotes.printable(code) and " " .. quotes.quote(T.char_text(code), "'") or ""
  return format("U+%04X", code) .. shown
end

return {
  encode = T.known("user-function:", function(v)
    local b = T.to_bytes(v)
    if not b then T.wrong_type("user-function:", "first", "bytes(compatible)", v) end
    return by_piece(b[T.KEY], ".", function(c) return format("%02x", byte(c)) end, 256)
  end, 1, 1),
  decode = T.known("user-function:", function(s)
    s = T.to_string(s)
    if not s then T.wrong_type("user-function:", "first", "string(compatible)", T.U) end
    if #s % 2 == 1 then return T.error("encoding/hex: odd length hex string") end
    if #s > 1024 then inside.look() end
    local bad = inside.match(s, "[^0-9a-fA-F]")
    if bad then return T.error("encoding/hex: invalid byte: " .. invalid_byte(bad)) end
    return T.new_bytes(by_piece(s, "..", function(pair) return char(tonumber(pair, 16)) end, 256))
  end, 1, 1),
}
