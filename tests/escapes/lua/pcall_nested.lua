-- attack: catches the limit at every level of nested calls
-- expect: limit time
-- limits: time=0.15

local function catch(n)
  if n == 0 then while true do end end
  pcall(catch, n - 1)
  print("ESCAPED level " .. n)
  while true do pcall(catch, n - 1) end
end
pcall(catch, 100)
print("ESCAPED")
