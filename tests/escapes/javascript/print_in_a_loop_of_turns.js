// attack: prints a little in every turn, for ever
// expect: limit output
// limits: time=20

for (;;) { print("x".repeat(3000)); await sleep(0); }
print("ESCAPED");
