// attack: has a call made after the program has ended
// expect: ok 1

sleep(0).then(() => { for (let i = 0; i < 9; i++) Promise.resolve().then(() => 1); });
const never = new Promise(() => {});
never.then(() => print("ESCAPED"));
export default 1;
