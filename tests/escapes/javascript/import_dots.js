// attack: imports what is none of its modules: ./..........outside.secret
// expect: error not_found : there is no module

const found = await import("./..........outside.secret");
print("ESCAPED", Object.keys(found));
