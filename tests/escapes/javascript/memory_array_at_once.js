// attack: fills a list of a thousand million places
// expect: limit memory
// limits: time=20, memory=32MB

try { new Array(1e9).fill(0); } catch { print("ESCAPED"); }
print("ESCAPED");
