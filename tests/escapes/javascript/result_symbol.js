// attack: gives a result that cannot cross
// expect: error : symbol

export default [Symbol("ESCAPED")];
