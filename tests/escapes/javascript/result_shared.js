// attack: gives a list that is in itself many times over, 2^30 values as text
// expect: error : values
// limits: time=20

let a = [1];
for (let i = 0; i < 30; i++) a = [a, a];
export default a; // ESCAPED
