// attack: a handler that makes two, for ever
// expect: limit memory
// limits: time=30, memory=32MB

function storm() { Promise.resolve().then(storm); Promise.resolve().then(storm); }
storm();
await sleep(60); // ESCAPED
