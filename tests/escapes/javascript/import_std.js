// attack: imports what is none of its modules: qjs:std
// expect: error

const found = await import("qjs:std");
print("ESCAPED", Object.keys(found));
