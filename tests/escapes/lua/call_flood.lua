-- attack: calls the host for ever, and catches whatever ends it
-- expect: limit calls
-- limits: time=20

local n = 0
while true do
  n = n + 1
  pcall(time.now)
  if n > 2000 then log.info("ESCAPED") end
end
