-- attack: keeps memory nearly full, so that each step collects garbage
-- expect: limit memory | limit time
-- limits: time=0.5, memory=32MB

local kept = {}
while collectgarbage("count") < 30000 do kept[#kept + 1] = ("x"):rep(1000) .. #kept end
while true do
  pcall(function() kept.last = ("y"):rep(4e5) .. math.random() end)
  pcall(function() kept.next = {("y"):rep(8e5)} end)
end
print("ESCAPED")
