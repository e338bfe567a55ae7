// attack: has long texts taken apart and put together in every form of Unicode
// expect: limit time | limit memory
// limits: time=0.5

const marks = "a" + "\u0301\u0323".repeat(2e5), wide = "\ufdfa".repeat(2e5), capitals = "\u0130\u03a3".repeat(2e5);
for (;;) {
  try {
    marks.normalize("NFD"); marks.normalize("NFC"); wide.normalize("NFKD"); capitals.toLowerCase(); wide.localeCompare(wide + "a");
    marks.normalize("NFKC").localeCompare(wide); capitals.toUpperCase(); "\u{1d160}".repeat(1e5).normalize("NFC");
  } catch (e) {}
}
print("ESCAPED");
