// attack: imports what is none of its modules: ./inside\0.js
// expect: error not_found : there is no module

const found = await import("./inside\0.js");
print("ESCAPED", Object.keys(found));
