// attack: never lets the host have a word
// expect: limit time
// limits: time=0.3

function again() { Promise.resolve().then(again); }
again();
await sleep(60); // ESCAPED
