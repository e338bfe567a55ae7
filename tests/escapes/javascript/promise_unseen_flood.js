// attack: has promises fail that nobody looks at, so that the host notes them for ever
// expect: limit memory
// limits: time=30, memory=32MB

const why = { text: "ESCAPED" };
for (;;) Promise.reject(why);
