// attack: catches the limit of tasks and goes on
// expect: limit tasks
// limits: time=20, tasks=50, calls=100

const all = [];
try { for (;;) all.push(spawn(() => sleep(1)).catch(() => {})); } catch { print("ESCAPED"); }
await sleep(0);
print("ESCAPED");
