// attack: raises a number to a power without end
// expect: error runtime : too large to allocate
// limits: time=20

let n = 3n;
for (;;) n = n ** 5n;
print("ESCAPED");
