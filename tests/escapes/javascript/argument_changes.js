// attack: gives a path that is one file when it is checked and another when it is read
// expect: ok "held"
// allow: fs.read:{root}/inside.txt

let n = 0;
const turn = () => n++ % 2 ? "../outside/secret.txt" : "inside.txt";
const text = { get toString() { n++; return turn; }, valueOf: turn, toJSON: turn, [Symbol.toPrimitive]: turn };
const list = new Proxy(["inside.txt"], { get: (t, k) => k === "0" ? turn() : t[k] });
const iterated = { *[Symbol.iterator]() { yield turn(); } };
class Path extends String { toString() { return turn(); } toJSON() { return turn(); } get length() { return n++ % 2 ? 3 : 22; } }
for (let i = 0; i < 12; i++) {
  for (const given of [[text], list, iterated, [new Path("inside.txt")], [[text]], [{ path: text }]]) {
    try {
      const read = await fs.read(...given);
      if (read !== "inside") print("ESCAPED: " + read);
    } catch (e) {}
  }
}
export default "held";
