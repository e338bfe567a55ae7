// attack: calls itself without end
// expect: limit stack
// limits: time=10

function f() { return f() + 1; }
f();
print("ESCAPED");
