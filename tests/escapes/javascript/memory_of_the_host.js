// attack: hands the host functions without end
// expect: limit memory | error | limit time | limit calls
// limits: time=20, memory=32MB

for (;;) await json.encode(1, { pretty: true, f: Array.from({ length: 50000 }, () => () => 1) });
print("ESCAPED");
