-- attack: looks for removed functions where an error is handled
-- expect: ok true
-- sandbox: strict

local found
xpcall(error, function() found = load or os or setmetatable or _G end)
pcall(table.sort, { 2, 1 }, function() found = found or rawset end)
xpcall(function() error({}) end, function(e) found = found or (e and e.load) end)
if found then print("ESCAPED") end
return found == nil
