// attack: blocks of finally and disposals that ask models and wait while the run is ended
// expect: limit time
// limits: time=0.5
// allow: llm:**

const ask = () => llm.generate("x", { model: "test/offline" });
async(async () => { try { while (true) await sleep(0.01); } finally { await ask(); print("ESCAPED: one went on"); } });
try {
  await using kept = { async [Symbol.asyncDispose]() { await ask(); await sleep(10); print("ESCAPED: it was closed"); } };
  await sleep(0.05);
  while (true);
} finally {
  await ask();
  print("ESCAPED: the end was reached");
}
