// attack: goes through a chain of proxies without end
// expect: limit stack
// limits: time=10

let p = {};
for (let i = 0; i < 1e5; i++) p = new Proxy(p, {});
try { p.x; } catch { print("ESCAPED"); }
print("ESCAPED");
