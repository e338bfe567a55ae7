// attack: hands the host functions without end
// expect: error bad_argument
// limits: time=20, memory=32MB

for (;;) await json.encode(1, { pretty: true, f: Array.from({ length: 50000 }, () => () => 1) });
print("ESCAPED");
