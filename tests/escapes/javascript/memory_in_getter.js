// attack: takes all memory while the result is read
// expect: limit memory
// limits: time=20, memory=32MB

export default { get x() { const all = []; try { for (;;) all.push("y".repeat(1e5) + all.length); } catch { return "ESCAPED"; } } };
