// attack: replaces by a pattern that tries for ever, in a function that is called back
// expect: limit time
// limits: time=0.3

"a".repeat(60).replace(/(a|aa)+(?!a)b/g, () => "x");
print("ESCAPED");
