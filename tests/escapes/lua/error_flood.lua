-- attack: raises and catches errors for ever, with messages made anew
-- expect: limit time
-- limits: time=0.15

local n = 0
while true do
  n = n + 1
  pcall(error, "error " .. n)
  xpcall(error, function(e) return e .. "!" end, "error")
end
print("ESCAPED")
