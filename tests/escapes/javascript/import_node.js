// attack: imports what is none of its modules: node:fs
// expect: error not_found : there is no module

const found = await import("node:fs");
print("ESCAPED", Object.keys(found));
