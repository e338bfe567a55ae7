-- attack: returns a text of twenty million bytes
-- expect: error | limit memory | limit time

return ("ESCAPED!"):rep(25e5)
