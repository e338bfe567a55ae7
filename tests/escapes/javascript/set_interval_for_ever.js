// attack: leaves a timer behind that never ends
// expect: limit time | limit calls
// limits: time=0.5, calls=100

setInterval(() => {}, 1); // ESCAPED
