// attack: gives natives of arrays things that say they have 2 ** 53 items
// expect: limit time | limit memory
// limits: time=0.3

const large = { length: 2 ** 53 - 1 };
for (const name of ["splice", "copyWithin", "reverse", "indexOf", "fill", "join"]) {
  try { Array.prototype[name].call(large, 0, 2 ** 40); } catch {}
}
print("ESCAPED");
