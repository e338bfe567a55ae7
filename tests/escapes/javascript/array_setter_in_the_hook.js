// attack: throws from a setter while an error is made, so that the end of memory is not seen
// expect: limit memory

let armed = false;
Object.defineProperty(Array.prototype, "0", {
  set(value) {
    if (armed) throw "no frames";
    Object.defineProperty(this, "0", { value, writable: true, enumerable: true, configurable: true });
  },
  configurable: true,
});
const all = new Set();
armed = true;
try { for (;;) all.add(new ArrayBuffer(4 << 20)); } catch { all.clear(); print("ESCAPED"); }
await sleep(0);
