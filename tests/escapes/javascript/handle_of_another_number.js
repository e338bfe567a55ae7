// attack: has the prototype of a handle serve for another
// expect: error bad_argument

const real = await channel.make();
const forged = Object.create(Object.getPrototypeOf(real));
await forged.send(1);
print("ESCAPED");
