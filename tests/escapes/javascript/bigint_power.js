// attack: raises a number to a power without end
// expect: limit time | limit memory | error
// limits: time=0.3

let n = 3n;
for (;;) n = n ** 5n;
print("ESCAPED");
