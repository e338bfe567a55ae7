-- attack: makes calls with more and more arguments
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(function()
  local t = {}
  for i = 1, 1e5 do t[i] = i end
  local kept = {}
  while true do kept[#kept + 1] = table.pack(table.unpack(t)) end
end)
print("ESCAPED")
