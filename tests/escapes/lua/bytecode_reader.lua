-- attack: loads a binary chunk that a reader function gives out byte by byte
-- expect: ok ["refused"]

local text, i = "\27Lua\84\0\25\147\r\n\26\n\4\8\8", 0
local chunk, why = load(function()
  i = i + 1
  return i <= #text and text:sub(i, i) or nil
end, "=x", "bt")
if chunk then print("ESCAPED a binary chunk in pieces") end
return chunk == nil and type(why) == "string" and {"refused"}
