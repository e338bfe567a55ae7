// attack: gives a proxy whose keys never end as an argument
// expect: limit time
// limits: time=0.3

await json.encode(new Proxy({}, { ownKeys() { for (;;); } })); // ESCAPED
