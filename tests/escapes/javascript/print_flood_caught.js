// attack: prints for ever and catches it
// expect: limit output

for (;;) try { print("x".repeat(1e5)); } catch { } finally { }
print("ESCAPED");
