// attack: throws the error of an import that never was
// expect: error runtime : Error loading module

const name = "(a+)+$".repeat(9000);
throw new Error(`Error loading module '${name}'`); // ESCAPED
