// attack: gives a timer text for a function
// expect: error runtime : setTimeout: expected a function
// limits: time=0.3

setTimeout("print('ESCAPED')", 0);
await sleep(0.01);
