-- attack: loads large texts for ever, each another one
-- expect: limit time
-- limits: time=0.15

local body, n = ("do end "):rep(20000), 0
while true do
  n = n + 1
  load(body .. "x = " .. n)
end
print("ESCAPED")
