// attack: imports what is none of its modules: ./%2e%2e/outside/secret.txt
// expect: error not_found : there is no module

const found = await import("./%2e%2e/outside/secret.txt");
print("ESCAPED", Object.keys(found));
