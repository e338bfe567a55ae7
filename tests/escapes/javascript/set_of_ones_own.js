// attack: gives the functions of sets a set of its own, whose keys never end
// expect: limit time | limit memory
// limits: time=0.5

const set = new Set([1, 2, 3]);
let n = 0;
const endless = { get size() { return Infinity; }, has: () => n++ > 1e9, *keys() { for (;;) yield n++ % 5; } };
for (;;) {
  for (const name of ["union", "intersection", "difference", "symmetricDifference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"]) {
    try { set[name](endless); } catch (e) {}
  }
}
print("ESCAPED");
