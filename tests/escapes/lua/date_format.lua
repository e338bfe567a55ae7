-- attack: formats a date by a million items, for ever
-- expect: limit time | limit memory
-- limits: time=0.15

local format = ("%c"):rep(1e5)
while true do pcall(os.date, format) end
print("ESCAPED")
