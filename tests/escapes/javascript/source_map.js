// attack: names another source, outside, as its own
// expect: error runtime

//# sourceURL={outside}/secret.txt
//# sourceMappingURL={outside}/secret.txt
throw new Error("x"); // ESCAPED
