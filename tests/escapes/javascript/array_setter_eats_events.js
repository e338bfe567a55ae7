// attack: has every event of a turn disappear
// expect: error denied

for (let i = 0; i < 8; i++) Object.defineProperty(Array.prototype, String(i), { set() {}, configurable: true });
const text = await fs.read("{outside}/secret.txt");
print("ESCAPED", text);
