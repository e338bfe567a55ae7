-- attack: sees the host in a pattern: its zone, its locale, codes of its C library
-- expect: ok "held"

-- What the codes mean is up to the C library; none of them may fail in a way that shows the host.
for _, code in ipairs({ "%Z", "%z", "%c", "%s", "%+", "%", "%E", "%O", "%Q", "%:z", "%\0", "\0%Y", "%-1d", "\u{d7ff}%Y" }) do
  local ok, e = pcall(time.format, 0, code)
  if not ok and e.code ~= "bad_argument" and e.code ~= "value" then print("ESCAPED: " .. e.message) end
end
return "held"
