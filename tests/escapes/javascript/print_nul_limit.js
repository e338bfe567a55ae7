// attack: prints what the prelude tells the host as a limit
// expect: ok 1

print("\0tasks" + "x".repeat(20000));
print("\0memory");
export default 1; // ESCAPED
