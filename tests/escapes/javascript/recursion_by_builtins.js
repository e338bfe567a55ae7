// attack: calls itself through built-ins without end
// expect: limit stack
// limits: time=10

const list = [1];
list.toString = () => list.map(() => list.sort(() => `${list}`)).join();
const f = () => { try { [list, list].sort(); JSON.stringify({ toJSON: f }); return "x".replace("x", f); } catch { print("ESCAPED"); } };
f();
print("ESCAPED");
