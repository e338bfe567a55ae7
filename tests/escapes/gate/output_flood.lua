-- attack: prints without end, and catches what stops it
-- expect: limit output

for i = 1, 1000 do pcall(print, ("x"):rep(10000)) pcall(io.write, ("y"):rep(10000)) end
pcall(print, "ESCAPED: printed 20 MB")
