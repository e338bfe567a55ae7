// attack: goes on making calls in what was cancelled
// expect: ok ["cancelled","cancelled"]
// limits: time=20
// allow: fs.write:{root}/**, fs.read:{root}/**

const codes = [];
const keep = async () => {
  for (let i = 0; i < 2; i++) {
    try {
      await sleep(i ? 0 : 30);
      print("ESCAPED");
    } catch (e) {
      codes.push(e.code);
    }
  }
  await fs.write("left.txt", "ESCAPED");
};
const task = async(keep);
await sleep(0.001);
task.cancel();
await sleep(0.1);
if (await fs.exists("left.txt")) print("ESCAPED");
export default codes;
