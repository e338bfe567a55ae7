// attack: logs for ever
// expect: limit output
// limits: time=20

for (;;) { console.warn("x".repeat(9000)); await sleep(0); }
print("ESCAPED");
