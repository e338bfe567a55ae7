// attack: imports what is none of its modules: a text of a program
// expect: error not_found : there is no module

const found = await import("data:text/javascript,export default 1");
print("ESCAPED", Object.keys(found));
