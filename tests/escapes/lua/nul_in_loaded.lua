-- attack: loads text that goes on behind a NUL or ESC byte
-- expect: ok 0

local found = 0
for _, text in ipairs({"return 1 --\0\nprint('ESCAPED')", "\0return 1", "--\27\nreturn 1", "return '\0'"}) do
  if load(text) then
    print("ESCAPED " .. #text)
    found = found + 1
  end
end
return found
