// attack: waits for more than a hundred thousand promises in one turn, and is told it waits for ever
// expect: ok 120000
// limits: time=5

let count = 0;
try { while (count < 120000) count += await 1; } catch { print("ESCAPED"); }
export default count;
