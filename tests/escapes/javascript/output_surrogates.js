// attack: output and errors that are no Unicode, and a method of texts that mends them with a lie
// expect: error runtime

String.prototype.toWellFormed = () => ({ ESCAPED: 1 });
String.prototype.isWellFormed = () => true;
io.write("a\ud800");
console.log("\udc00", ["\ud83d"], { k: "\ud83d" });
await import("\ud800").catch((e) => print(e.message));
io.write("\ud83d".repeat(20000));
throw Object.assign(new Error("\ud800"), { name: "\udc00", code: "\ud800" });
