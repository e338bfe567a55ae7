// attack: searches by a pattern that tries for ever
// expect: limit time
// limits: time=0.3

/^(a+)+$/.test("a".repeat(60) + "b");
print("ESCAPED");
