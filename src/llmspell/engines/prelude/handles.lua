-- Handles: what a script holds of a host object. A table without fields, which has the methods of its kind
-- and is the same one as long as the script holds it. When it does so no more, the host is told, with
-- how often the handle had come: one that is on its way just then must not be closed.

local inside, METHODS = ...                        -- the lines of the capabilities that are methods
local type, setmetatable, find, gsub, gmatch, match, concat, bad, show, handles, weak, hooks, event, gc,
  stub, newproxy =
  inside.type, inside.setmetatable, inside.find, inside.gsub, inside.gmatch, inside.match, inside.concat,
  inside.bad, inside.show, inside.handles, inside.weak, inside.hooks, inside.event, inside.gc,
  inside.stub, inside.newproxy

local proxies = setmetatable({}, { __mode = "v" }) -- id -> proxy
local times = setmetatable({}, weak)               -- mark -> how often it came, if more than once
local marks, ids = setmetatable({}, weak), setmetatable({}, weak)
local gone, count = {}, 0                          -- what the host is to be told at the end of the turn
local open, most = 0, 1000
local LONGEST = 100                                -- characters of the name of a method

-- Runs in the collector, which must not wait or fail: it only makes a note.
local function forget(mark)
  open = open - 1
  count = count + 1
  gone[count] = ids[mark] .. " " .. (times[mark] or 1)
end

-- Where tables have no finalizers, a value that only the table's entry here holds has one.
local original = newproxy and newproxy(true)
if original then inside.raw_metatable(original).__gc = forget end

local function read_only(t, k) bad("cannot set " .. show(k) .. ": a handle is read-only", 2) end

local methods = {}                                 -- handle kind -> metatable
local function methods_of(kind)
  local rest = "\t[^\t\n]*\t" .. gsub(kind, "%p", "%%%0") .. "\t"
  -- A kind has many methods, of which a program uses few: they are made when first asked for.
  local own = setmetatable({}, { __index = function(made, verb)
    if type(verb) ~= "string" or #verb > LONGEST or not find(verb, "^[%w_]+$") then return nil end
    local name, role = match(METHODS, "\n([^\t\n]+%." .. verb .. ")" .. rest .. "([^\t\n]*)")
    local f = name and stub(name, role) or nil
    made[verb] = f
    return f
  end })
  local meta = { __index = own, __newindex = read_only, __name = kind, __metatable = false, __gc = forget }
  for name, role in gmatch(METHODS, "\n([^\t\n]+)" .. rest .. "(%a+)") do
    local f = stub(name, role)
    -- The generic for passes its state and control variable too.
    if role == "iterate" then meta.__call = function(handle) return f(handle) end
    elseif role == "close" then meta.__close = function(handle) return f(handle) end end
  end
  methods[kind] = meta
  return meta
end

local function new(kind, id)
  local proxy = proxies[id]
  if proxy then
    local mark = marks[proxy] or proxy
    times[mark] = (times[mark] or 1) + 1
    return proxy
  end
  if open >= most then
    -- The collector does not know what the host keeps for each of them.
    gc("collect")
    if original then gc("collect") end
    most = open * 2 + 1000
  end
  proxy = setmetatable({}, methods[kind] or methods_of(kind))
  local mark = proxy
  if original then
    mark = newproxy(original)
    marks[proxy] = mark
  end
  handles[proxy], proxies[id], ids[mark] = kind .. "#" .. id, proxy, id
  open = open + 1
  return proxy
end

-- Tells the host which are held no more: texts of up to a thousand pairs, so that no turn grows without end.
function hooks.tell()
  if count == 0 then return end
  local fresh = {}                                 -- first: making it may add to the others
  local told, last = gone, count
  gone, count = fresh, 0
  for i = 1, last, 1000 do event("drop", 0, concat(told, " ", i, i + 999 < last and i + 999 or last), false) end
end

return { new = new, methods = METHODS }
