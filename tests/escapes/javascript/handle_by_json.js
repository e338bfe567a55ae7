// attack: has JSON make a handle that was never given
// expect: error value : starts with NUL

const text = '{"\\u0000handle":["Channel",1]}';
const made = await json.decode(text);
if (typeof made.send === "function") print("ESCAPED");
await channel.send(made, 1);
