// attack: prints one text of 20 million bytes
// expect: limit memory
// limits: time=10

print("x".repeat(20e6));
await sleep(0);
print("ESCAPED");
