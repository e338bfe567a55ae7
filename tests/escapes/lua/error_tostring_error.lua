-- attack: raises an object whose __tostring raises such an object, and so on
-- expect: error runtime : the script raised table

local function raise() error(setmetatable({}, {__tostring = raise})) end
local ok, why = pcall(raise)
pcall(print, why)
pcall(tostring, why)
error(why) -- ESCAPED is never shown
