-- attack: reads Python attributes from functions, errors, promises, null and strings
-- expect: ok 0

local _, fault = pcall(fs.read, "x")
local things = {print, fs.read, json.encode, pcall, fault, async(function() end), null, "text", string, 1, true}
local keys = {
  "__class__", "__globals__", "__dict__", "__init__", "__self__", "__code__", "__closure__",
  "__builtins__", "__subclasses__", "__traceback__", "gi_frame", "f_builtins", "args", "mro",
}
local found = 0
for _, thing in ipairs(things) do
  for _, key in ipairs(keys) do
    local ok, value = pcall(function() return thing[key] end)
    if ok and value ~= nil then
      print("ESCAPED " .. type(thing) .. "." .. key)
      found = found + 1
    end
  end
end
return found
