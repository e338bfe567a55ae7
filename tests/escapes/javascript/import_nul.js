// attack: imports what is none of its modules: ./inside\0.js
// expect: error

const found = await import("./inside\0.js");
print("ESCAPED", Object.keys(found));
