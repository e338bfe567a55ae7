// attack: turns numbers of hundreds of thousands of digits into text and back, in odd bases
// expect: limit time | limit memory
// limits: time=0.5

const large = (1n << 200000n) - 1n;
for (;;) {
  try {
    large.toString(); large.toString(7); BigInt("9".repeat(1e5)); BigInt("0x" + "f".repeat(1e6)); large % (large >> 17n);
    BigInt.asUintN(1 << 30, -1n); large.toLocaleString(); `${large}` == large; Number(large); JSON.parse(String(large));
  } catch (e) {}
}
print("ESCAPED");
