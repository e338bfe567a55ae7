// attack: imports what is none of its modules: {outside}/secret.txt
// expect: error

const found = await import("{outside}/secret.txt");
print("ESCAPED", Object.keys(found));
