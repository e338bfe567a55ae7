// attack: gives a result nested without end
// expect: limit depth

let a = {};
for (let i = 0; i < 1e5; i++) a = { a };
export default a; // ESCAPED
