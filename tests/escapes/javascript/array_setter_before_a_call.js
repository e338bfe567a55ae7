// attack: puts its own words in place of what the prelude tells the host
// expect: error denied

Object.defineProperty(Array.prototype, "0", {
  set() {
    Object.defineProperty(this, "0", {
      value: ["print", 0, "ESCAPED", ""], writable: true, enumerable: true, configurable: true,
    });
  },
  configurable: true,
});
await fs.read("{outside}/secret.txt");
