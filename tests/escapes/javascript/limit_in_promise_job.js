// attack: goes on in a promise after the limit
// expect: limit time
// limits: time=0.3

Promise.resolve().then(() => { for (;;); }).catch(() => print("ESCAPED")).finally(() => print("ESCAPED"));
await new Promise(() => {});
