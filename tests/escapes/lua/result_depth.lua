-- attack: returns a table nested a hundred thousand levels deep
-- expect: error runtime : is nested too deep

local t = {}
for _ = 1, 1e5 do t = {t} end
pcall(json.encode, t)
pcall(print, t)
return t -- ESCAPED is never shown
