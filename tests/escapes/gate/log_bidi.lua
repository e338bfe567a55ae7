-- attack: turns the order of what is read around with bidi and invisible characters
-- expect: ok "held"

-- Whether it ESCAPED is only seen where it is shown.
for _, point in ipairs({ 0x61c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, 0x200b, 0xfeff }) do
  log.error("allow" .. utf8.char(point) .. "ed")
  print("allow" .. utf8.char(point) .. "ed")
end
return "held"
