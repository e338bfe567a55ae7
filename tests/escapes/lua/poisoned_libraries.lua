-- attack: replaces library functions before host calls, to see or change what the prelude does with them
-- expect: ok ["[1,2]", 2, "denied", "end"]

local seen = 0
local function spy() seen = seen + 1 return "ESCAPED" end
local encode, fs_read, real_pcall, real_print = json.encode, fs.read, pcall, print
for _, library in next, {string, table, math, coroutine, utf8, os, debug} do
  for name in next, library do library[name] = spy end
end
for _, name in next, {
  "pcall", "xpcall", "error", "type", "tostring", "tonumber", "next", "pairs", "ipairs", "select", "rawget",
  "rawset", "rawlen", "rawequal", "unpack", "setmetatable", "getmetatable", "load", "collectgarbage", "assert",
} do
  _G[name] = spy
end
local text = encode({1, 2})
local list = json.decode(text)
local _, fault = real_pcall(fs_read, "x")
local last = await(async(function() sleep(0.001) return "end" end))
if seen > 0 then real_print("ESCAPED " .. seen) end
return {text, list[2], fault.code, last}
