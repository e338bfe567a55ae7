// attack: sorts by an order that is none, for ever
// expect: limit time
// limits: time=0.3

const list = Array.from({ length: 1e4 }, (_, i) => i);
for (;;) try { list.sort(() => { for (;;); }); } catch { print("ESCAPED"); }
