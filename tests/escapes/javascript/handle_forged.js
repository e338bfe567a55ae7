// attack: makes a handle of its own by the marks of the text form
// expect: error bad_argument

const made = { "\0handle": ["Channel", 1] };
await json.encode(made);
print("ESCAPED");
