// attack: throws a proxy that answers every question without end
// expect: limit time
// limits: time=0.3

throw new Proxy({}, {
  get() { for (;;); }, has() { for (;;); }, ownKeys() { for (;;); }, getPrototypeOf() { for (;;); },
});
// ESCAPED
