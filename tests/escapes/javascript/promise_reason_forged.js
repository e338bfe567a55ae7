// attack: has promises fail for reasons of every kind, whose counts the host keeps
// expect: ok [2000,"s1999",null]
// limits: time=20

const all = [];
const kinds = [(i) => ({ i }), (i) => "s" + i, (i) => 10n ** BigInt(i + 30), () => Symbol("x"), () => 1.5, () => null, () => NaN];
for (let i = 0; i < 2000; i++) all.push(Promise.reject(i === 1999 ? "s1999" : kinds[i % 7](i)));
await sleep(0.001);
const seen = await Promise.allSettled(all);
for (let i = 0; i < 200000; i++) ({ i });
if (seen.some((one, i) => i % 7 === 0 && i < 1999 && one.reason.i !== i)) print("ESCAPED");
export default [seen.length, seen[1999].reason, seen[5].reason];
