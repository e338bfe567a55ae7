// attack: takes all memory by a pattern of patterns
// expect: limit time
// limits: time=1, memory=32MB

for (let n = 10; ; n *= 4) new RegExp("(?:a{1,99}b|".repeat(n) + "c" + ")".repeat(n)).test("a".repeat(n));
print("ESCAPED");
