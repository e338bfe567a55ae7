// attack: fills a map for ever
// expect: limit memory
// limits: time=20, memory=32MB

const all = new Map();
for (;;) try { all.set({}, {}); } catch { print("ESCAPED"); }
