// attack: fills a list for ever
// expect: limit memory
// limits: time=20, memory=32MB

const all = [];
for (;;) all.push([all.length]);
print("ESCAPED");
