-- attack: looks for what makes the methods of a handle, with names that are patterns or no names
-- expect: ok "nothing"

local handle = channel.make()
local names = { ".*", "%w+", "rec%w+", "receive)", "(receive", "[receive", "receive\n", "%", "receive\t",
  "__index", "__gc", "__call", "", "open", 1, 0.5, true, print, {}, ("receive"):rep(100) }
for i = 1, #names do
  if handle[names[i]] ~= nil then print("ESCAPED " .. tostring(names[i])) end
end
if getmetatable(handle) or rawget(handle, "receive") or next(handle) ~= nil then print("ESCAPED") end
if pcall(setmetatable, handle, {}) or pcall(rawset, handle, "receive", 1) and handle.receive == 1 then
  print("ESCAPED")
end
if pcall(function() handle.receive = print end) then print("ESCAPED") end
return handle.receive == handle.receive and "nothing"
