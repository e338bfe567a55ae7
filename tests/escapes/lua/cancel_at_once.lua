-- attack: cancels calls in the turn that makes them, to have the host count more cancelled than made
-- expect: ok 3

local cancelled = 0
for _, call in ipairs({function() time.now() end, function() sleep(1) end, function() load("return 1") end}) do
  local p = async(function()
    call()
    print("ESCAPED")
  end)
  await(async(function() if p:cancel() then cancelled = cancelled + 1 end end))
end
return cancelled
