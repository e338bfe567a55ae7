// attack: loops in toJSON, toString and valueOf of an argument
// expect: limit time
// limits: time=0.3

const loop = () => { for (;;); };
const e = new Error("x");
Object.defineProperty(e, "message", { value: { toString: loop, valueOf: loop, toJSON: loop } });
await json.encode({ toJSON: loop, list: [e] }); // ESCAPED
