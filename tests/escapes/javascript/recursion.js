// attack: calls itself without end
// expect: error
// limits: time=10

function f() { return f() + 1; }
f();
print("ESCAPED");
