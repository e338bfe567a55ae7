// attack: makes buffers and catches that there is no memory, for ever
// expect: limit memory
// limits: time=20, memory=32MB

const all = [];
for (;;) try { all.push(new Uint8Array(1 << 20).fill(1)); } catch { print("ESCAPED"); }
