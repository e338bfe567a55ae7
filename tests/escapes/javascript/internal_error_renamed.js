// attack: has the VM's own errors look like others, so that the end of memory is not seen
// expect: limit memory

const seen = [];
for (const f of [
  () => "x".repeat(2 ** 30), () => new RegExp("(".repeat(1e5)), () => Math.max.apply(null, { length: 1e6 }),
  () => "a".padEnd(2 ** 31), () => new RegExp("a{1,99999999999}"),
]) {
  try { f(); } catch (e) { seen.push(e.constructor); }
}
for (const kind of seen) {
  try { Object.defineProperty(kind, Symbol.hasInstance, { value: () => false }); } catch {}
}
const all = [];
try { for (;;) all.push(new ArrayBuffer(4 << 20)); } catch { all.length = 0; print("ESCAPED"); }
await sleep(0);
