-- attack: yields whatever the private token might be, with every kind of request
-- expect: ok 0

local found = 0
local tokens = {{}, "token", "\0limit", 0, 1, 5, true, print, coroutine.yield, _G, null, string, "not enough memory"}
for _, token in ipairs(tokens) do
  for request = 0, 6 do
    local co = coroutine.create(function() return coroutine.yield(token, request, "time.now", "[]") end)
    local ok, got = coroutine.resume(co)
    local status = coroutine.status(co)
    if not ok or got ~= token or status ~= "suspended" then
      print("ESCAPED " .. type(token))
      found = found + 1
    end
  end
end
return found
