// attack: awaits a thing whose then never ends
// expect: limit time
// limits: time=0.3

await { then() { for (;;); } }; // ESCAPED
