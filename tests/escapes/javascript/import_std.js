// attack: imports what is none of its modules: qjs:std
// expect: error not_found : there is no module

const found = await import("qjs:std");
print("ESCAPED", Object.keys(found));
