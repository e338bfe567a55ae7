-- attack: raises a table whose texts are larger than what a process may send
-- expect: error | limit memory

error({message = ("y"):rep(2e6), code = ("z"):rep(2e6), ["ESCAPED"] = ("x"):rep(2e6)})
