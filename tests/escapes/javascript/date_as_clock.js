// attack: measures the time of what it does
// expect: ok [true,true]
// limits: time=10

const began = Date.now();
for (let i = 0; i < 3e5; i++);
const took = Date.now() - began;
if (took !== 0) print("ESCAPED", took);
export default [took === 0, typeof performance === "undefined" || performance.now() === performance.now()];
