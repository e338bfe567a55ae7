// attack: takes all memory beside a call, so that what ends the run is not told
// expect: limit memory
// limits: time=20, memory=32MB

sleep(50).then(() => print("ESCAPED"));
const all = [];
await async(async () => { for (;;) { all.push(new Array(1000).fill({})); if (all.length % 500 === 0) await sleep(0); } });
print("ESCAPED");
