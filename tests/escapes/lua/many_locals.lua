-- attack: fills the locals of a function, so that the counter finds no room
-- expect: limit steps
-- limits: steps=20000

for count = 190, 205 do
  local names = {}
  for i = 1, count do names[i] = "a" .. i end
  local f = load("local " .. table.concat(names, ",") .. " = 1 while true do end")
  if f then
    pcall(f)
    print("ESCAPED " .. count)
  end
end
