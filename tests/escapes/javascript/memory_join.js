// attack: joins a list of long texts to one
// expect: limit memory
// limits: time=20, memory=32MB

const part = "x".repeat(1e6);
for (;;) try { new Array(4000).fill(part).join(); } catch { print("ESCAPED"); }
