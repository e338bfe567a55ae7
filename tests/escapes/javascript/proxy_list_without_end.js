// attack: gives a list of 2^53 items that are made as they are read
// expect: error : values
// limits: time=30

await json.encode(new Proxy([], { get: (_, key) => key === "length" ? 2 ** 53 - 1 : 1, has: () => true }));
print("ESCAPED");
