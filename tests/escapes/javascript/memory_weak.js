// attack: fills a table with weak keys that never die
// expect: limit memory
// limits: time=20, memory=32MB

const all = new WeakMap(), keys = [];
for (;;) { const key = {}; keys.push(key); all.set(key, keys); }
print("ESCAPED");
