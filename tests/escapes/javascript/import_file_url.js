// attack: imports what is none of its modules: file://{outside}/secret.txt
// expect: error not_found : there is no module

const found = await import("file://{outside}/secret.txt");
print("ESCAPED", Object.keys(found));
