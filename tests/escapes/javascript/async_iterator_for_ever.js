// attack: iterates over what never ends, without a turn of the host
// expect: limit time
// limits: time=0.3

for await (const x of (async function* () { for (;;) yield 1; })());
print("ESCAPED");
