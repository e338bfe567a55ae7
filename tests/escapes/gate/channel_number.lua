-- attack: makes and opens channels without end
-- expect: ok "channel_limit 1000 channel_limit"
-- limits: time=20

local held, made = {}, 0
local ok, e
repeat
  ok, e = pcall(channel.make, 0)
  if ok then made = made + 1 held[made] = e end
until not ok
local opened, why = pcall(channel.open, "one more")
if opened then print("ESCAPED") end
return e.code .. " " .. made .. " " .. why.code
