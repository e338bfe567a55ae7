-- attack: overflows the stack with frames of the prelude only, which a report then walks through
-- expect: error : stack overflow | limit time
-- limits: time=1

print(setmetatable({}, {__tostring = tostring}))
print("ESCAPED")
