// attack: changes the class of the promises the host settles
// expect: error denied

const Task = sleep(0).constructor;
Task.prototype.then = function (done) { done("ESCAPED"); };
Object.setPrototypeOf(Task, class { constructor(f) { f(print, print); } });
export default await fs.read("{outside}/secret.txt");
