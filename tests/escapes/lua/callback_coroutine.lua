-- attack: loops in a coroutine made inside the callback of table.sort
-- expect: limit time
-- limits: time=0.15

pcall(table.sort, {2, 1}, function()
  pcall(coroutine.wrap(function() pcall(function() while true do end end) end))
  print("ESCAPED callback")
  return false
end)
print("ESCAPED")
