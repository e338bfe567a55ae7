// attack: makes the memory of an array smaller while a built-in function works on it
// expect: ok "held" | limit time | limit memory
// limits: time=2

const nothing = "ESCAPED: it reads what is no longer there";
const seen = new Set();
for (let i = 0; i < 30; i++) {
  const buffer = new ArrayBuffer(1e6, { maxByteLength: 3e6 });
  const bytes = new Uint8Array(buffer).fill(7);
  const shrink = () => { try { buffer.resize(i % 3 ? 16 : 0); } catch (e) {} return 0; };
  const at = { valueOf: shrink };
  for (const act of [
    () => bytes.sort(() => shrink() - 1), () => bytes.set(bytes.subarray(1), at), () => bytes.copyWithin(at, 1, 1e6), () => bytes.fill(1, at, 1e6),
    () => bytes.map(shrink), () => bytes.subarray(at, 1e6).slice(), () => bytes.indexOf(9, at), () => bytes.with(5, at), () => bytes.toSorted(shrink),
    () => new DataView(buffer).setFloat64(at, 1), () => new Uint8Array(buffer, at, 1e5), () => Atomics.add(bytes, 1e5, at), () => buffer.transfer?.(at),
    () => bytes.join({ toString: () => { shrink(); return "-"; } }), () => bytes.lastIndexOf(7, at), () => bytes.includes(undefined, at),
  ]) {
    try { buffer.resize(1e6); } catch (e) {}
    try { const told = act(); if (told instanceof Uint8Array) for (const b of told.slice(0, 2e5)) seen.add(b); } catch (e) {}
  }
}
for (const b of seen) if (b !== 0 && b !== 1 && b !== 7) print(nothing, b);
export default "held";
