-- attack: returns a table that says it equals the private token, with tables for what the host reads as text
-- expect: error | ok []

-- Would be ESCAPED: a live table in the hands of the host, and a program never answered.
local forged = setmetatable({}, {__eq = function() return true end})
return forged, 4, {}, {}
