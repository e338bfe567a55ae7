// attack: tells the next number from what it can reach of the generator
// expect: ok null

const first = Math.random();
if (Math.random.constructor("return typeof seeds")() !== "undefined") print("ESCAPED");
Math.imul = () => 0;
const next = [Math.random(), Math.random(), Math.random()];
if (new Set(next).size !== 3 || next.includes(0) || next.includes(first)) print("ESCAPED");
