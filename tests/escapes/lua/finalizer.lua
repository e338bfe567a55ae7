-- attack: has code run by the garbage collector, where no limit reaches it
-- expect: ok 0

local ran = 0
local function finish() ran = ran + 1 print("ESCAPED") while true do end end
local late = {}
for _, make in ipairs({
  function() return setmetatable({}, {__gc = finish}) end,
  function() return setmetatable({}, setmetatable({__gc = finish}, {})) end,
  function() local t = setmetatable({}, late) late.__gc = finish return t end,
  function() return setmetatable({}, late) end,
  function() local meta = setmetatable({}, {__index = {__gc = finish}}) return setmetatable({}, meta) end,
  function()
    local meta = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, v) end})
    meta.__gc = finish
    return setmetatable({}, meta)
  end,
}) do
  pcall(make)
end
for _ = 1, 4 do collectgarbage() end
return ran
