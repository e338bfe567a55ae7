// attack: sets timers without end
// expect: limit tasks | limit calls | limit memory
// limits: time=20, tasks=50

for (;;) setTimeout(() => print("ESCAPED"), 0);
