// attack: climbs from a capability to its constructor and its caller
// expect: error runtime : invalid property access

const outer = fs.read.constructor.constructor("return this")();
if (outer !== globalThis) print("ESCAPED");
const caller = fs.read.caller ?? fs.read.arguments;
if (caller) print("ESCAPED");
