// attack: throws an error that is its own cause, among twenty thousand that hold each other
// expect: error | limit memory
// limits: time=5

const first = new Error("first");
first.cause = first;
let last = first;
for (let i = 0; i < 2e4; i++) last = new AggregateError([last, first, last], "m" + i, { cause: last });
last.cause.cause.errors.push(last);
last.errors[0].stack = last;
throw last.errors.length === 3 ? last : "ESCAPED";
