-- attack: loops in the __index of the table string.gsub looks into
-- expect: limit time
-- limits: time=0.15

pcall(string.gsub, "abc", "%w", setmetatable({}, {__index = function() while true do end end}))
print("ESCAPED")
