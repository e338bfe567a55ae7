// attack: imports what is none of its modules: llmspell:constructor
// expect: error not_found : there is no module

const found = await import("llmspell:constructor");
print("ESCAPED", Object.keys(found));
