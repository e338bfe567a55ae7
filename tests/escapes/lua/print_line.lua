-- attack: prints one line of thirty million bytes, and lines of nothing
-- expect: limit output | limit memory

pcall(print, ("x"):rep(1e7), ("x"):rep(1e7))
print("ESCAPED")
