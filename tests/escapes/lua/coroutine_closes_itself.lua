-- attack: closes a coroutine from inside itself, in callbacks and in handlers, and resumes it then
-- expect: ok "done"

local function close(n)
  return pcall(coroutine.wrap(function()
    local guard <close> = setmetatable({}, {__close = function() coroutine.close(coroutine.running()) end})
    string.gsub("x", "x", function()
      if n > 0 then close(n - 1) end
      coroutine.close(coroutine.running())
    end)
  end))
end
for _ = 1, 100 do close(20) end
local co
co = coroutine.create(function()
  pcall(coroutine.close, co)
  pcall(coroutine.resume, co)
  coroutine.yield()
  print("ESCAPED")
end)
coroutine.resume(co)
coroutine.close(co)
if coroutine.resume(co) then print("ESCAPED") end
return "done"
