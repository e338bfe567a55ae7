// attack: blocks the thread by waiting on memory
// expect: error runtime : Atomics is not defined
// limits: time=0.3

Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0);
print("ESCAPED");
