// attack: gives a result of a million values
// expect: error : values
// limits: time=20

export default Array.from({ length: 1e6 }, (_, i) => i); // ESCAPED
