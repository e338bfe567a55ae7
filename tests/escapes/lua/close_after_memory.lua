-- attack: goes on in a __close after memory ran out, and raises another error instead of that one
-- expect: limit memory

pcall(function()
  local guard <close> = setmetatable({}, {
    __close = function()
      print("ESCAPED in __close")
      error("another")
    end,
  })
  local s = ("x"):rep(1e9)
end)
print("ESCAPED")
