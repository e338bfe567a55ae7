// attack: has the reader of JSON go through a list that grows while it is gone through
// expect: limit time | limit memory
// limits: time=0.5

const text = JSON.stringify(Array(1000).fill([0]));
for (;;) {
  try { JSON.parse(text, function (key, value) { if (Array.isArray(this)) this.push([key]); return value; }); } catch (e) {}
  try { JSON.parse(text, function () { this.next = { deeper: this }; return this; }); } catch (e) {}
  try { JSON.stringify(JSON.parse(text), (key, value) => [value], "          "); } catch (e) {}
}
print("ESCAPED");
