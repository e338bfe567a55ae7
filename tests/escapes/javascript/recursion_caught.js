// attack: catches that it has called itself too often
// expect: limit stack
// limits: time=10

function f() { try { return f() + 1; } catch { print("ESCAPED"); return f(); } finally { print("ESCAPED"); } }
f();
print("ESCAPED");
