// attack: goes on in what closes an iterator after the limit
// expect: limit time
// limits: time=0.3

const items = { [Symbol.iterator]: () => ({ next: () => ({ value: 1, done: false }), return() { print("ESCAPED"); return {}; } }) };
for (const item of items) for (;;);
