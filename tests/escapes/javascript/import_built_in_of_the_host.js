// attack: imports what is none of its modules: llmspell:module
// expect: error not_found : there is no module

const found = await import("llmspell:module");
print("ESCAPED", Object.keys(found));
