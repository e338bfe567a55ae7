// attack: takes all memory in functions that wait and catch
// expect: limit memory
// limits: time=20, memory=32MB

const all = [];
async function more() { try { for (;;) all.push(new Array(1000).fill({})); } catch { print("ESCAPED"); more(); } }
await more();
print("ESCAPED");
