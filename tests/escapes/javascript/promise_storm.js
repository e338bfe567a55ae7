// attack: a handler that makes two, for ever
// expect: limit memory | limit time
// limits: time=0.3

function storm() { Promise.resolve().then(storm); Promise.resolve().then(storm); }
storm();
await sleep(60); // ESCAPED
