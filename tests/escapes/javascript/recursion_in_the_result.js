// attack: gives a result whose getters call the end again
// expect: limit stack
// limits: time=10

const r = { get x() { return { get y() { return JSON.stringify(r) + r.x; } }; } };
Object.defineProperty(r, "z", { enumerable: true, get() { return r.z; } });
export default r; // ESCAPED
