-- Text a script loads itself: load and require.

local inside = ...
local error, pcall, select, type, find, concat, setmetatable, bad, checked, suspend, yieldable,
  within_text, LOAD, env, open, call, promises, promise, settle, running_task, counted =
  inside.error, inside.pcall, inside.select, inside.type, inside.find, inside.concat,
  inside.setmetatable, inside.bad, inside.checked, inside.suspend, inside.yieldable,
  inside.within_text, inside.LOAD, inside.env, inside.open, inside.call, inside.promises,
  inside.need("promises"), inside.settle, inside.running_task, inside.counted

-- Compiles text the script made, with safepoints like the program itself.
local function compile(text, name, environment)
  if find(text, "[%z\27]") then return nil, "binary chunks are not available to spells" end
  local ok, payload = suspend(LOAD, name, text)
  if ok == nil then bad("load cannot be called " .. within_text() .. ", where Lua cannot wait", 3) end
  if not ok then return nil, payload end
  return open(payload, name, environment)
end

local function refuse_global() bad("this program was loaded without globals", 2) end
local nothing = setmetatable({}, { __index = refuse_global, __newindex = refuse_global, __metatable = false })

local function env_load(chunk, name, mode, ...)
  if type(chunk) == "function" then
    local parts = {}
    while true do
      counted()                                    -- the reader may be a built-in, which is not
      local part = chunk()
      if part == nil or part == "" then break end
      if type(part) ~= "string" then return nil, "reader function must return a string" end
      parts[#parts + 1] = part
    end
    chunk = concat(parts)
  end
  if type(chunk) ~= "string" then bad("bad argument #1 to 'load' (string expected, got " .. type(chunk) .. ")", 2) end
  if type(mode) == "string" and not find(mode, "t", 1, true) then
    return nil, "attempt to load a text chunk (mode is '" .. mode .. "')"
  end
  local environment = env
  if select("#", ...) > 0 then
    environment = (...)
    if environment == nil then environment = nothing end
  end
  return compile(chunk, type(name) == "string" and name or "=(load)", environment)
end

local loaded = {}                                  -- name -> value, or the task that loads it
local inner = setmetatable({}, inside.weak)        -- task -> the module it is loading
local awaited = setmetatable({}, inside.weak)      -- task -> the module it waits for

-- The modules from `name` on, up to the one that requires `name` again; nil where there is no circle.
local function circle(name)
  local chain, task, from = {}, loaded[name].loader, name
  while true do
    local at, part = inner[task], {}
    while at do
      part[#part + 1] = at
      if at == from then break end
      at = loaded[at] and loaded[at].by            -- a coroutine may have been left in the middle
    end
    for i = #part, 1, -1 do chain[#chain + 1] = part[i] end
    if task == running_task() then break end
    from = awaited[task]
    if not from or not loaded[from] or not loaded[from].loader then return nil end
    task = loaded[from].loader
  end
  chain[#chain + 1] = name
  return concat(chain, " requires ")
end

local function load_module(name)
  local module = call("module.load", name)
  local f, why = compile(module.source, "=" .. module.name, env)
  if not f then bad("cannot load module '" .. name .. "': " .. why, 3) end
  local value = f(name)
  if value == nil then return true end
  return value
end

local function env_require(name)
  if type(name) ~= "string" then bad("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2) end
  local known = loaded[name]
  if known == nil then
    if not yieldable() then bad("require cannot be called " .. within_text() .. ", where Lua cannot wait", 2) end
    local task = running_task()
    known = { loader = task, by = inner[task], promise = promise.new() }
    promises[known.promise].watched = true
    loaded[name], inner[task] = known, name
    local ok, value = checked(pcall(load_module, name))
    inner[task] = known.by
    if ok then
      known.value, known.loader = value, nil
      settle(known.promise, true, value)
    else
      loaded[name] = nil
      settle(known.promise, false, value)
      error(value, 0)
    end
  elseif known.loader then
    local chain = circle(name)
    if chain then bad("module '" .. name .. "' requires itself: " .. chain, 2) end
    local task = running_task()
    awaited[task] = name
    local ok, value = checked(pcall(promise.await, known.promise))
    awaited[task] = nil
    if not ok then error(value, 0) end
    return value
  end
  return known.value
end

return { load = env_load, loadstring = env_load, require = env_require }
