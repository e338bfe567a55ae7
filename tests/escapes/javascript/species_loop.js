// attack: has built-in functions make their results by a class of its own, whose parts never end to be set
// expect: limit time
// limits: time=0.3

class List extends Array {
  static get [Symbol.species]() { return function () { return new Proxy([], { defineProperty() { for (;;); } }); }; }
}
class Bytes extends ArrayBuffer {
  static get [Symbol.species]() { return function () { return new ArrayBuffer(3e7); }; }
}
const list = List.from([1, 2, 3]), kept = [];
for (;;) {
  try { kept.push(new Bytes(1e6).slice(0)); } catch (e) { kept.length = 0; }
  for (const name of ["map", "filter", "concat", "splice", "flat"]) try { list[name]((x) => x); } catch (e) {}
}
print("ESCAPED");
