// attack: imports what is none of its modules: ./..........outside.secret
// expect: error

const found = await import("./..........outside.secret");
print("ESCAPED", Object.keys(found));
