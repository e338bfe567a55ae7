-- attack: counts and takes apart the characters of a long text, again and again
-- expect: limit time
-- limits: time=0.3

local text = ("ü"):rep(1e6)
while true do
  pcall(utf8.codepoint, text, 1, -1)
  utf8.len(text)
  utf8.offset(text, -1)
end
print("ESCAPED")
