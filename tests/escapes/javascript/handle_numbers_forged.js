// attack: has the host read bytes, handles and functions that are none
// expect: error value : NUL

for (const text of ['{"\\u0000bytes":"zz"}', '{"\\u0000handle":"stream"}', '{"\\u0000function":"x"}']) {
  try {
    print("ESCAPED", await json.decode(text));
  } catch (e) {
    if (e.code !== "value") print("ESCAPED", e.message);
  }
}
await json.decode('{"\\u0000handle":[1,2]}');
