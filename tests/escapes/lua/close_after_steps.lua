-- attack: has print run while a limit unwinds a callback, as the __close of a variable
-- expect: limit steps
-- limits: steps=10000

-- What print shows of this needs no code that is counted.
local mark = setmetatable({}, {__close = print, __name = "ESCAPED"})
setmetatable(mark, {__close = print, __tostring = setmetatable({[mark] = "ESCAPED"}, {__call = rawget})})
pcall(table.sort, {2, 1}, function()
  local guard <close> = mark
  while true do end
end)
print("ESCAPED")
