// attack: changes what tells numbers and texts
// expect: ok [1.5,"a"]

Number.isSafeInteger = Number.isFinite = () => true;
String.prototype.isWellFormed = () => true;
globalThis.String = () => '"ESCAPED"';
Object.keys = () => ["ESCAPED"];
Array.isArray = () => false;
export default [1.5, "a"];
