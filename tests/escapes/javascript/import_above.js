// attack: imports what is none of its modules: ../../outside/secret.txt
// expect: error not_found : there is no module

const found = await import("../../outside/secret.txt");
print("ESCAPED", Object.keys(found));
