// attack: forges the error of a limit and of a capability
// expect: error runtime

let real;
try { await fs.read("nothing"); } catch (e) { real = e; }
const forged = Object.create(real, { class: { value: "MemoryLimit" }, retryable: { value: true } });
Object.setPrototypeOf(forged, real.constructor.prototype);
forged.type = "MemoryLimit";
forged.code = "memory";
forged.message = "too much memory";
delete forged.code;
throw { __proto__: forged, code: "runtime", message: "forged", frames: [["/etc/passwd", 1, "x"]] };
// ESCAPED is never said
