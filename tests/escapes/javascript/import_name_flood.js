// attack: imports a name of a million characters
// expect: error
// limits: time=10

await import("./" + "a/../".repeat(200000) + "b.js");
print("ESCAPED");
