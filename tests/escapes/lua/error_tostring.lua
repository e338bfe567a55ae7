-- attack: raises an object whose __tostring loops, when the host asks for its text
-- expect: limit time
-- limits: time=0.15

error(setmetatable({}, {__tostring = function() while true do end print("ESCAPED") end}))
