// attack: imports what is none of its modules: http://{server}/html
// expect: error not_found : there is no module

const found = await import("http://{server}/html");
print("ESCAPED", Object.keys(found));
