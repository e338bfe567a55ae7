// attack: as many bytes and functions as a value may have parts, deep ones, and two wide arguments
// expect: ok [true, true, true]
// limits: time=5

const told = (call) => call.then(() => "", (e) => e.message);
const nest = (v) => { for (let i = 0; i < 32; i++) v = [v]; return v; };
const wide = Array(60000).fill(1);
const found = [
  await told(json.encode(Array(30000).fill(() => 1))), await told(json.encode(nest(() => 1))),
  await told(schema.validate(wide, { enum: wide })),
];
const kept = [/cannot be written/.test(found[0]), /cannot be written/.test(found[1]), /100000 values/.test(found[2])];
if (!kept.every(Boolean)) print("ESCAPED: " + found);
export default kept;
