// attack: leaves a timer behind that never ends
// expect: limit calls
// limits: time=30, calls=100

setInterval(() => {}, 1); // ESCAPED
