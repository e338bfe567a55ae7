// attack: has lists give other items while the prelude reads its messages
// expect: ok null

Array.prototype[Symbol.iterator] = function* () { print("ESCAPED"); yield "resume"; };
String.prototype[Symbol.iterator] = Array.prototype[Symbol.iterator];
String.prototype.split = String.prototype.slice = () => { print("ESCAPED"); return ["run", 1, "x"]; };
await sleep(0);
await async(() => sleep(0));
