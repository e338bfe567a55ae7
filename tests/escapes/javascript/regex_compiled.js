// attack: compiles patterns that are deep, wide or large when they are written out
// expect: limit time | limit memory | limit stack
// limits: time=0.5

for (;;) {
  for (const pattern of [
    "(?:a{1000}){1000}", "a{1000}".repeat(1000), "(?:" + "a|".repeat(1e5) + ")", "\\p{L}".repeat(1e4), "[" + "\\u{1}-\\u{10ffff}".repeat(1e4) + "]",
    "(".repeat(200) + ")".repeat(200), "(?=".repeat(100) + ")".repeat(100), "(?<a>x)".repeat(300), "a{0,2147483647}", "(a{0,1000}){0,1000}", "\\1".repeat(1e5),
  ]) {
    for (const flags of ["", "u", "i", "v", "iu"]) try { new RegExp(pattern, flags).test("aaaa"); } catch (e) {}
  }
}
print("ESCAPED");
