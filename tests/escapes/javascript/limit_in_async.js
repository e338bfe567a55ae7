// attack: catches the limit of steps in functions that wait
// expect: limit steps
// limits: time=20, steps=300000

async function again() { try { for (;;); } catch { print("ESCAPED"); } finally { print("ESCAPED"); again(); } }
await again().catch(() => print("ESCAPED"));
print("ESCAPED");
