// attack: imports what is none of its modules: {outside}/secret.txt
// expect: error denied : no grant for fs.read

const found = await import("{outside}/secret.txt");
print("ESCAPED", Object.keys(found));
