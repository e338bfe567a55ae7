-- attack: a background task tries to go on after the program
-- expect: ok 1

spawn(function()
  while true do
    local ok = pcall(sleep, 0.001)
    if not ok then print("ESCAPED") end
  end
end)
spawn(function() pcall(sleep, 5) print("ESCAPED") end)
sleep(0.01)
return 1
