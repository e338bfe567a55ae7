-- attack: makes bytecode with string.dump, found under any name
-- expect: ok false

local dump = string.dump or ("").dump or rawget(string, "dump")
for name, f in next, string do
  if type(f) == "function" then
    local ok, text = pcall(f, function() end)
    if ok and type(text) == "string" and text:byte() == 27 then dump = name end
  end
end
if dump then print("ESCAPED " .. tostring(dump)) end
return dump ~= nil
