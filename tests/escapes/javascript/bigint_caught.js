// attack: catches that numbers are too large, for ever
// expect: limit time
// limits: time=0.3

for (;;) try { 2n ** 1000000n ** 3n; 7n ** 400000n; } catch {}
print("ESCAPED");
