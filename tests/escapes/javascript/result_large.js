// attack: gives a result of 40 million bytes
// expect: limit memory
// limits: time=10

export default "x".repeat(40e6); // ESCAPED
