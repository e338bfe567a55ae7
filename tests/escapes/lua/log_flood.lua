-- attack: logs megabytes for ever
-- expect: limit calls | limit time | limit output
-- limits: time=0.5

local s = ("x"):rep(1e6)
while true do pcall(log.info, s, {a = s}) end
print("ESCAPED")
