// attack: keeps functions for ever
// expect: limit memory
// limits: time=20, memory=32MB

let last = () => 0;
for (;;) { const inner = last; last = () => inner; }
print("ESCAPED");
