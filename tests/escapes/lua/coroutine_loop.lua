-- attack: loops inside a coroutine inside a coroutine
-- expect: limit time
-- limits: time=0.15

pcall(coroutine.wrap(function()
  local co = coroutine.create(function() while true do end end)
  coroutine.resume(co)
  print("ESCAPED inner", coroutine.status(co))
end))
print("ESCAPED")
