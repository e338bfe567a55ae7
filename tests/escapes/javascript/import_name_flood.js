// attack: imports a name of a million characters
// expect: error not_found : there is no module
// limits: time=10

await import("./" + "a/../".repeat(200000) + "b.js");
print("ESCAPED");
