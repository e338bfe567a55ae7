// attack: puts what the prelude may ask of a message or an answer on the prototype of everything
// expect: ok "held" | error denied | error
// allow: fs.read:{root}/inside.txt

const names = ["name", "id", "args", "ok", "value", "then", "code", "done", "path", "grants", "allow", "kind", "payload", "error", "0", "length", "type", "handle"];
for (const made of [Object.prototype, Array.prototype, Function.prototype, Promise.prototype, String.prototype, Number.prototype]) {
  for (const name of names) {
    if (Object.hasOwn(made, name)) continue;
    try { Object.defineProperty(made, name, { get: () => name === "then" ? undefined : "../outside/secret.txt", set() {}, configurable: true }); } catch (e) {}
  }
}
let read = "";
for (const path of ["../outside/secret.txt", undefined, [], {}, ["inside.txt"]]) try { read += await fs.read(path); } catch (e) {}
if (read !== "") print("ESCAPED: " + read);
export default "held";
