-- attack: hides an ESC byte, the head of a binary chunk, in a comment
-- expect: refused

print("ESCAPED") -- Lua
