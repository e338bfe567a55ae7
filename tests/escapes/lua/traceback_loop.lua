-- attack: asks for the traceback of a deep stack again and again
-- expect: limit time
-- limits: time=0.3

local function down(n)
  if n > 0 then return (down(n - 1)) end
  while true do debug.traceback() end
end
down(100000)
print("ESCAPED")
