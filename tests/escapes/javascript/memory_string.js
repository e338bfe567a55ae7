// attack: doubles a text for ever
// expect: limit memory
// limits: time=20, memory=32MB

let text = "x";
for (;;) { text += text; text.charCodeAt(text.length - 1); }
print("ESCAPED");
