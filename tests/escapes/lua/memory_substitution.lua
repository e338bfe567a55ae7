-- attack: grows a text by substitution
-- expect: limit memory
-- limits: time=5, memory=8MB

pcall(function()
  local s = "xx"
  while true do s = s:gsub("x", "xxxx") end
end)
print("ESCAPED")
