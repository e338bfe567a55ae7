// attack: gives a result that is no text
// expect: error : UTF-8

export default "\ud800"; // ESCAPED
