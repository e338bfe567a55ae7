// attack: looks for what the prelude keeps by code made of text
// expect: ok ["undefined","undefined","undefined","undefined","undefined"]

const look = (() => {}).constructor;
const names = ["flush", "doors", "entries", "waiting", "functions"];
const found = names.map((name) => look(`return typeof ${name}`)());
if (found.some((kind) => kind !== "undefined")) print("ESCAPED");
export default found;
