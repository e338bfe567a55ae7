// attack: throws an error whose message is a trap
// expect: limit time
// limits: time=0.3

class Mine extends Error {
  get message() { for (;;); }
  get name() { for (;;); }
}
throw new Mine("ESCAPED");
