-- attack: loops in the __eq of a result, when the scheduler compares it with its token
-- expect: ok [] | limit time
-- limits: time=0.15

return setmetatable({}, {__eq = function() while true do end print("ESCAPED") end})
