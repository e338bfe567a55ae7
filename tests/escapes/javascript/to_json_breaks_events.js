// attack: has the host read events of every wrong shape
// expect: ok 1

let n = 0;
const bad = [null, 1, "x", [], [[]], [["call", 1]], [["state", 0, "", "{"]], [["drop", 0, "a b c"]], [["fail", 1, "{}", ""]]];
Array.prototype.toJSON = () => bad[n++ % bad.length];
for (let i = 0; i < 30; i++) await sleep(0);
if (n) print("ESCAPED");
export default 1;
