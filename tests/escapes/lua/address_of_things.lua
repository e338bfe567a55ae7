-- attack: reads the address of a table, function or coroutine from every text made of it
-- expect: ok 0

local found = 0
local _, fault = pcall(fs.read, "x")
local things = {
  {}, print, function() end, coroutine.create(print), coroutine.wrap(print), async(function() end), null, fault, _G,
  string, setmetatable({}, {__name = "x"}), load("return 1"), ("x"):gmatch("."), pairs({}),
}
local function look(text)
  if type(text) == "string" and (text:find("0x%x%x%x%x") or text:find("%x%x%x%x%x%x%x%x")) then
    print("ESCAPED " .. text)
    found = found + 1
  end
end
for _, thing in ipairs(things) do
  look(tostring(thing))
  for _, format in ipairs({"%s", "%q", "%p", "%10p", "%-p", "%.3p", "%5.5s", "%d", "%a", "%c", "%i", "%x", "%g"}) do
    look(select(2, pcall(string.format, format, thing)))
    look(select(2, pcall(string.format, "%%" .. format, thing, thing)))
  end
  for _, f in ipairs({
    error, assert, ipairs, next, rawlen, tonumber, setmetatable, load, require, await, parallel, unpack,
    table.concat, table.sort, string.rep, string.byte, math.floor, utf8.char, os.date, os.time, coroutine.resume,
    coroutine.close, json.encode, fs.read, log.info, debug.traceback, select, string.gsub, utf8.len, string.unpack,
  }) do
    look(select(2, pcall(f, thing, thing)))
    look(select(2, pcall(f, {thing}, thing)))
  end
  look(select(2, pcall(function() return thing + 1 end)))
  look(select(2, pcall(function() return thing .. thing end)))
  look(select(2, pcall(function() return thing < {} end)))
  look(select(2, pcall(function() return thing.x.y end)))
  look(select(2, pcall(function() for i = 1, thing do end end)))
  look(select(2, pcall(function() local x <close> = thing end)))
end
look(select(2, pcall(string.format, "%p", "text")))
return found
