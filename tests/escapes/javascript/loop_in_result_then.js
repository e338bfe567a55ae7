// attack: gives a result whose then never ends
// expect: limit time
// limits: time=0.3

export default () => ({ then() { for (;;); } }); // ESCAPED
