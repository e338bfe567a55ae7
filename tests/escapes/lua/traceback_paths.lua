-- attack: reads paths and names of the host from tracebacks, taken wherever code of it is on the stack
-- expect: ok 0

local found = 0
local function look(text)
  text = tostring(text)
  for _, mark in ipairs({"/", "%.py", "python", "lupa", "site%-packages", "0x%x%x", "prelude", "llmspell", "File "}) do
    if text:lower():find(mark) then
      print("ESCAPED " .. mark .. " in " .. text)
      found = found + 1
    end
  end
end
local trace = debug.traceback
look(trace())
look(trace("x", 0))
look(trace(trace, -1))
look(select(2, xpcall(error, trace, "x")))
look(select(2, xpcall(fs.read, trace, 5)))
look(select(2, xpcall(function() return nil + 1 end, function(e) return trace(e) end)))
look(select(2, pcall(table.sort, {2, 1}, function() look(trace()) error(trace()) end)))
string.gsub("x", "x", function() look(trace()) end)
look(coroutine.wrap(trace)())
look(select(2, coroutine.resume(coroutine.create(function() return trace() end))))
look(load("return debug.traceback()", "=own")())
look(await(async(trace)))
look(tostring(setmetatable({}, {__tostring = function() return trace() end})))
local function deep(n) if n == 0 then return trace() end return (deep(n - 1)) end
look(deep(100))
return found
