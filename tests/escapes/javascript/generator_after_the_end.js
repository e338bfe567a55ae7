// attack: keeps a generator and a timer of a run for the next
// expect: ok null

function* g() { try { yield 1; } finally { print("ESCAPED"); } }
globalThis.kept = g();
kept.next();
Object.prototype.poison = Array.prototype.poison = "ESCAPED";
globalThis.json = globalThis.async = globalThis.print = undefined;
String.prototype.toUpperCase = () => "ESCAPED";
