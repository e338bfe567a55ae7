-- attack: forges lines of the log with line ends of every kind
-- expect: ok "held"

-- Whether it ESCAPED is only seen where it is shown.
for _, mark in ipairs({ "\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}", "\v", "\f" }) do
  log.info("a" .. mark .. "error: forged", { ["k" .. mark] = "v" .. mark })
end
return "held"
