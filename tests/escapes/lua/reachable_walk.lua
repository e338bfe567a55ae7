-- attack: walks everything in reach of _G, through tables, metatables and results, for what is not listed
-- expect: ok 0

local allowed = {
  [""] = [[_G _VERSION agent assert async await breaker channel chat collectgarbage coroutine crypto csv
    debug env error errors fs getmetatable hooks http io ipairs json limits llm load loadstring log math
    mcp modelinfo next null os pairs parallel params pcall print process promise rawequal rawget rawlen
    rawset require schema select setmetatable sleep spawn spell sqlite stream string structured table text time
    tonumber tools tostring type unpack usage utf8 workflow xml xpcall yaml]],
  coroutine = "close create isyieldable resume running status wrap yield",
  debug = "traceback",
  io = "ask read write",
  math = [[abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max
    maxinteger min mininteger mod modf pi pow rad random randomseed sin sinh sqrt tan tanh tointeger
    type ult]],
  os = "clock date difftime time",
  string = [[byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack
    upper]],
  table = "concat foreach foreachi getn insert maxn move pack remove sort unpack",
  utf8 = "char charpattern codepoint codes len offset",
}
for name, words in next, allowed do
  local set = {}
  for word in words:gmatch("%w+") do set[word] = true end
  set._VERSION, set._G = name == "", name == ""
  allowed[name] = set
end

local within = {["llm.pool"] = true, ["llm.providers"] = true}

local found, seen = 0, {}
local function complain(what)
  print("ESCAPED " .. what)
  found = found + 1
end

-- Tables of the host hold functions and nothing else.
local function walk(value, path)
  if type(value) == "userdata" or type(value) == "thread" then complain(path .. " is a " .. type(value)) end
  if type(value) ~= "table" or seen[value] then return end
  seen[value] = true
  if getmetatable(value) and getmetatable(value) ~= false then complain(path .. " has a metatable") end
  for key, inner in next, value do
    local set = allowed[path]
    if set and not set[key] then complain(path .. "." .. tostring(key)) end
    if not set and type(inner) ~= "function" and not within[path .. "." .. tostring(key)] then complain(path .. " holds a " .. type(inner)) end
    walk(key, path .. " key")
    walk(inner, path == "" and tostring(key) or path .. "." .. tostring(key))
  end
end
seen[params], seen[null] = true, true
walk(_G, "")
return found
