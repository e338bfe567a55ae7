// attack: gives a capability a proxy that is found in itself without end, and one of false length
// expect: ok 2
// limits: time=1

const self = new Proxy({}, {
  get: () => self, has: () => true, ownKeys: () => ["a"],
  getOwnPropertyDescriptor: () => ({ value: self, enumerable: true, configurable: true }),
});
const long = new Proxy([], { get: (of, key) => (key === "length" ? 2 ** 53 : 1) });
let refused = 0;
for (const value of [self, long]) {
  try { await json.encode(value); print("ESCAPED"); } catch { refused++; }
}
export default refused;
