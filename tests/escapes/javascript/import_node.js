// attack: imports what is none of its modules: node:fs
// expect: error

const found = await import("node:fs");
print("ESCAPED", Object.keys(found));
