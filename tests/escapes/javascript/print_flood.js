// attack: prints for ever
// expect: limit output

for (;;) print("x".repeat(1000)); // ESCAPED
