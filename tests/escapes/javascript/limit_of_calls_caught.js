// attack: catches the limit of calls and goes on
// expect: limit calls
// limits: time=20, tasks=50, calls=100

for (;;) try { await json.encode(1); } catch { print("ESCAPED"); }
