-- attack: grows a text by doubling, by repeating and by joining
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(function()
  local s = "x"
  while true do s = s .. s end
end)
print("ESCAPED")
