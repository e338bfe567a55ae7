// attack: takes what it is not given out of promises
// expect: error denied

Promise.prototype.then = function (done) { done("ESCAPED"); return this; };
Object.defineProperty(Promise.prototype, "constructor", { get() { return function (f) { f(print, print); }; } });
Promise.resolve = () => "ESCAPED";
export default await fs.read("{outside}/secret.txt");
