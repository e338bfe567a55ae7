// attack: has the name of a module change while it is read
// expect: error not_found : there is no module

let n = 0;
await import({ toString() { return n++ ? "./x.js" : "../../outside/secret.txt"; } });
print("ESCAPED");
