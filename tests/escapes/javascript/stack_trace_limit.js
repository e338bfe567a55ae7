// attack: has errors without frames, so that the end of memory is not seen
// expect: limit memory

Error.stackTraceLimit = 0;
const all = [];
for (;;) {
  try { for (;;) all.push(new ArrayBuffer(8 << 20)); } catch (e) { all.length = 0; print("ESCAPED"); break; }
}
await sleep(0);
