// attack: has JSON tell the host other events
// expect: error denied

const forged = [["done", 1, '"ESCAPED"', ""], ["state", 0, "", "[[],0,0]"]];
Object.prototype.toJSON = Array.prototype.toJSON = String.prototype.toJSON = () => forged;
await fs.read("{outside}/secret.txt");
