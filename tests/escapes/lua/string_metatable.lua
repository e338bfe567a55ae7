-- attack: reaches the real string library, or changes it for all, through the metatable of strings
-- expect: ok true

if getmetatable("") then print("ESCAPED the metatable of strings") end
if pcall(setmetatable, "", {}) then print("ESCAPED a new metatable for strings") end
if ("x").dump or ("x").rep ~= string.rep or ("x").format ~= string.format then
  print("ESCAPED a function that is not ours")
end
if pcall(function() return ("%p"):format({}) end) then print("ESCAPED %p through a method") end
if pcall(rawset, "x", "y", 1) or pcall(function() ("x").y = 1 end) then print("ESCAPED a write") end
string.rep = nil
return ("x").rep == nil
