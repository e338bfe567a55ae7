-- attack: has a program print without end, and many at a time
-- expect: ok "too_large too_large too_large too_large"
-- allow: exec:yes
-- limits: time=20

local runs = {}
for i = 1, 4 do runs[i] = function() local ok, e = pcall(process.exec, { "yes" }) if ok then print("ESCAPED") end return e.code end end
return table.concat(parallel(runs), " ")
