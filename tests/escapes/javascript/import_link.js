// attack: imports what is none of its modules: ./link
// expect: error denied : no grant for fs.read

const found = await import("./link");
print("ESCAPED", Object.keys(found));
