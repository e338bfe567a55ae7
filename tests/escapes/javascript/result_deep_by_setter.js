// attack: has the way to a value forgotten, so that no depth is seen
// expect: limit depth

Object.defineProperty(Array.prototype, "0", { set() {}, configurable: true });
let a = { leaf: 1 };
for (let i = 0; i < 200; i++) a = { a };
export default a; // ESCAPED
