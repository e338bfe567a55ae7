-- attack: raises a text of three million bytes
-- expect: error runtime | limit memory

pcall(error, ("x"):rep(3e6), 0)
error(("x"):rep(3e6) .. "\255", 0) -- ESCAPED is never shown
