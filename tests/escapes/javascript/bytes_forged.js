// attack: lies about how many bytes there are
// expect: error bad_argument : hexadecimal digits

const size = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), "length");
Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), "length", { get() { return 4; } });
await json.encode(new Uint8Array(1));
await fs.write("{root}/x", new Uint8Array(1));
print("ESCAPED");
