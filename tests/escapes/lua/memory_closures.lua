-- attack: makes closures with upvalues of their own
-- expect: limit memory
-- limits: time=5, memory=8MB

local kept = {}
pcall(function()
  while true do
    local a, b, c = {}, {}, {}
    kept[#kept + 1] = function() return a, b, c end
  end
end)
print("ESCAPED")
