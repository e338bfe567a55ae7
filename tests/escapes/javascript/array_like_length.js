// attack: calls functions of lists on a thing that says it has 2^53 items
// expect: limit time
// limits: time=0.5

const names = Object.getOwnPropertyNames(Array.prototype).filter((name) => typeof Array.prototype[name] === "function" && name !== "constructor");
for (;;) {
  for (const name of names) {
    try { Array.prototype[name].call({ length: 2 ** 53 - 1 }, Boolean.bind(null, 1), 1, 1); } catch (e) {}
    try { Reflect.apply(Array.prototype[name], { length: 2 ** 53 - 1 }, [0, 2 ** 52, 5]); } catch (e) {}
  }
  try { Reflect.apply(print, null, { length: 2 ** 31 }); } catch (e) {}
  try { String.fromCharCode.apply(null, { length: 2 ** 31 }); } catch (e) {}
}
print("ESCAPED");
