// attack: takes hold of the tables of the prelude by the methods it calls
// expect: ok null

const held = new Set(), mine = new WeakSet();
for (const kind of [Map, Set, WeakMap, WeakSet]) {
  for (const name of ["get", "set", "has", "add", "delete", "forEach", "clear"]) {
    const was = kind.prototype[name];
    if (!was) continue;
    kind.prototype[name] = function (...args) {
      held[held.length ?? 0] = this;
      print("ESCAPED");
      return was.apply(this, args);
    };
  }
  const size = Object.getOwnPropertyDescriptor(kind.prototype, "size");
  if (size) Object.defineProperty(kind.prototype, "size", { get() { print("ESCAPED"); return size.get.call(this); } });
}
const waits = sleep(0);
await waits;
await async(async () => { await sleep(0); throw new Error("mine"); }).catch(() => {});
await json.encode({ list: [1, [2, { x: new Error("x") }]], map: { a: 1 } });
await parallel([() => sleep(0), () => 1]);
