-- Text a script loads itself: load and require.

local inside = ...
local error, pcall, select, type, find, concat, setmetatable, bad, checked, suspend, yieldable,
  within_text, LOAD, env, open, call, promises, promise, settle, running_task, counted =
  inside.error, inside.pcall, inside.select, inside.type, inside.find, inside.concat,
  inside.setmetatable, inside.bad, inside.checked, inside.suspend, inside.yieldable,
  inside.within_text, inside.LOAD, inside.env, inside.open, inside.call, inside.promises,
  inside.promise, inside.settle, inside.running_task, inside.counted

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
    known = { loader = running_task(), promise = promise.new(running_task().entry) }
    promises[known.promise].watched = true
    loaded[name] = known
    local ok, value = checked(pcall(load_module, name))
    if ok then
      known.value, known.loader = value, nil
      settle(known.promise, true, value)
    else
      loaded[name] = nil
      settle(known.promise, false, value)
      error(value, 0)
    end
  elseif known.loader == running_task() then
    bad("module '" .. name .. "' requires itself", 2)
  elseif known.loader then
    return promise.await(known.promise)
  end
  return known.value
end

return { load = env_load, loadstring = env_load, require = env_require }
