// attack: is a module that is itself a promise that never ends
// expect: limit time
// limits: time=0.3

export function then() { for (;;); } // ESCAPED
