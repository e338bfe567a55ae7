// attack: imports what is none of its modules: llmspell:module
// expect: error

const found = await import("llmspell:module");
print("ESCAPED", Object.keys(found));
