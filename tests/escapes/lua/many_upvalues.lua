-- attack: fills the upvalues of a function, so that the counter finds no room
-- expect: limit steps
-- limits: steps=20000

local function program(count)
  local names, uses = {}, {}
  for i = 1, count do names[i] = "a" .. i end
  local half = math.floor(count / 2)
  return "local " .. table.concat(names, ",", 1, half) .. " = 1 return (function() local "
    .. table.concat(names, ",", half + 1) .. " = 1 return function() local x = "
    .. table.concat(names, " or ") .. " while true do end end end)()"
end
for count = 245, 260 do
  local f = load(program(count))
  if f then
    f()()
    print("ESCAPED " .. count)
  end
end
