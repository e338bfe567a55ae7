-- attack: gives the log values that show what the host is made of
-- expect: ok "held"

-- Whether it ESCAPED is only seen where it is shown.
local fields = { f = function() end, list = { 1, { 2 } }, text = "x" }
pcall(log.info, "x", fields)
return "held"
