// attack: throws texts that the host reads as a limit
// expect: error runtime

throw "\0memory"; // ESCAPED
