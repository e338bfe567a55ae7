// attack: goes on in the finally of a generator after the limit
// expect: limit time
// limits: time=0.3

function* steps() { try { for (;;) yield 1; } finally { print("ESCAPED"); } }
for (const step of steps()) for (;;);
