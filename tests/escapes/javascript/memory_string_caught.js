// attack: catches that a text is too long, and makes another
// expect: limit memory
// limits: time=20, memory=32MB

const all = [];
for (;;) try { all.push("x".repeat(1e6) + all.length); all[all.length - 1].normalize(); } catch { print("ESCAPED"); }
