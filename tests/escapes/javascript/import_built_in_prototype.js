// attack: imports what is none of its modules: llmspell:constructor
// expect: error

const found = await import("llmspell:constructor");
print("ESCAPED", Object.keys(found));
