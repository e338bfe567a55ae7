// attack: loops in a getter of the result
// expect: limit time
// limits: time=0.3

export default { get x() { for (;;); } }; // ESCAPED
