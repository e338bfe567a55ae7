// attack: takes the functions that settle a call out of the prelude's own tables
// expect: ok null

for (const name of ["done", "fail", "promise", "error", "id", "over", "message", "kind", "frames", "file", "line"]) {
  Object.defineProperty(Object.prototype, name, { set() { print("ESCAPED"); }, get() {}, configurable: true });
}
await sleep(0);
await fs.read("{outside}/secret.txt").catch(() => {});
await async(() => { throw 1; }).catch(() => {});
