// attack: lets built-in functions go through what never ends, with no function of its own in the loop
// expect: limit time | limit memory
// limits: time=0.5

const endless = { __proto__: Iterator.prototype, next: Object.create.bind(null, { done: false, value: 1 }, {}) };
for (let i = 0; ; i++) {
  const steps = [
    () => endless.drop(1e15).next(), () => endless.find(Boolean.bind(null, 0)), () => endless.some(Boolean.bind(null, 0)),
    () => Object.groupBy(endless, String), () => new Map(endless), () => endless.reduce(Math.max), () => Math.max(...endless), () => endless.toArray(),
    () => Array.from(endless), () => endless.flatMap(Array.of).drop(1e15).next(), () => new Set(endless), () => new Uint8Array(endless),
  ];
  try { steps[i % steps.length](); } catch (e) {}
}
print("ESCAPED");
