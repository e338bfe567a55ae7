-- attack: sends commands to the terminal that shows its log and output
-- expect: ok "held"

-- Whether it ESCAPED is only seen where it is shown.
for _, mark in ipairs({ "\x1b[2J", "\x1b]0;title\x07", "\u{9b}31m", "\x1b]52;c;eA==\x07", "\x08\x08\x08", "\127" }) do
  log.warn(mark, { [mark] = mark })
  print(mark)
end
return "held"
