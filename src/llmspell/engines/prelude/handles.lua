-- Handles: what a script holds of a host object. A table without fields, which has the methods of its kind
-- and is the same one as long as the script holds it. When it does so no more, the host is told, with
-- how often the handle had come: one that is on its way just then must not be closed.

local inside = ...
local next, setmetatable, gmatch, concat, bad, show, handles, weak, hooks, event, gc, surface, stub, LINE,
  newproxy =
  inside.next, inside.setmetatable, inside.gmatch, inside.concat, inside.bad, inside.show,
  inside.handles, inside.weak, inside.hooks, inside.event, inside.gc, inside.surface, inside.stub,
  inside.LINE, inside.newproxy

local proxies = setmetatable({}, { __mode = "v" }) -- id -> proxy
local times = setmetatable({}, weak)               -- mark -> how often it came, if more than once
local marks, ids = setmetatable({}, weak), setmetatable({}, weak)
local gone, count = {}, 0                          -- what the host is to be told at the end of the turn
local open, most = 0, 1000

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
  local own = {}
  local meta = { __index = own, __newindex = read_only, __name = kind, __metatable = false, __gc = forget }
  for name, _, verb, method_of, role in gmatch(surface, LINE) do
    if method_of == kind then
      local f = stub(name, role)
      own[verb] = f
      -- The generic for passes its state and control variable too.
      if role == "iterate" then meta.__call = function(handle) return f(handle) end
      elseif role == "close" then meta.__close = function(handle) return f(handle) end end
    end
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

return { new = new }
