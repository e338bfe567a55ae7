-- attack: returns a list with a key that raises an odd value when it words itself
-- expect: error runtime : the result mixes list items

-- Would be ESCAPED: the prelude reads that value as its own.
local odd = setmetatable({}, {__index = function() error({}) end})
return {1, 2, [setmetatable({}, {__tostring = function() error(odd) end})] = 3}
