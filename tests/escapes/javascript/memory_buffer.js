// attack: asks for more bytes than there are, and catches it
// expect: limit memory
// limits: time=20, memory=32MB

let caught = 0;
for (const size of [1e9, 2 ** 31 - 1]) try { new ArrayBuffer(size); } catch { caught++; }
await sleep(0);
print("ESCAPED", caught);
