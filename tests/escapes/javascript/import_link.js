// attack: imports what is none of its modules: ./link
// expect: error

const found = await import("./link");
print("ESCAPED", Object.keys(found));
