// attack: has the VM come back from many jobs of promises, so that those left look like a deadlock
// expect: limit time
// limits: time=0.9

const again = { then(resolve) { resolve(again); } };
try { await again; } catch { print("ESCAPED"); }
print("ESCAPED");
