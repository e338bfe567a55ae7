// attack: has every property the prelude defines refused
// expect: error denied

Object.prototype.get = Object.prototype.set = () => "ESCAPED";
Object.prototype.value = "ESCAPED";
await fs.read("{outside}/secret.txt");
print("ESCAPED");
