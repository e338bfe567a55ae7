-- attack: an error that says of itself more than a process may send
-- expect: error runtime | limit memory

error(setmetatable({}, {__tostring = function() return ("\255"):rep(5e6) .. "ESCAPED" end}))
