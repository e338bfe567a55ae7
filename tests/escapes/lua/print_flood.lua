-- attack: prints for ever
-- expect: limit output

pcall(function() while true do print(("x"):rep(100)) end end)
print("ESCAPED")
