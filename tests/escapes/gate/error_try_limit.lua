-- attack: keeps on after a limit, in the handler, the cleanup and the next attempt of what it tries
-- expect: limit steps
-- limits: steps=50000, time=10

local function go_on() print("ESCAPED: ran after a limit") end
errors.retry(function()
  errors.try(function()
    errors.fallback(function() while true do end end, go_on)
  end, go_on, go_on)
end, {max_attempts = 1000, initial_delay = 0, retry_if = function() go_on() return true end})
go_on()
