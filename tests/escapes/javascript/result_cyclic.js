// attack: gives a result that contains itself
// expect: error : contains itself

const a = { list: [] };
a.list.push(a);
export default a; // ESCAPED
