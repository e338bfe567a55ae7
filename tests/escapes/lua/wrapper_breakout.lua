-- attack: ends the function around the program, to put code outside of it
-- expect: refused

end print("ESCAPED") do
