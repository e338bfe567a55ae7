-- attack: puts a handler that never ends on a metatable after setmetatable has seen it
-- expect: limit time
-- limits: time=0.3
-- engines: lua54, lua55

local meta = {__close = false}
pcall(function()
  local thing = setmetatable({}, meta)
  meta.__close = function() while true do end end
  local kept <close> = thing
end)
print("ESCAPED")
