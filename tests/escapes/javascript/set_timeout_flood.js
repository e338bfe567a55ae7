// attack: sets timers without end
// expect: limit tasks
// limits: time=20, tasks=50

for (;;) setTimeout(() => print("ESCAPED"), 0);
