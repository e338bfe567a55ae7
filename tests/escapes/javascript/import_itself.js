// attack: imports itself by other names, for ever
// expect: error | limit time | limit calls
// limits: time=1, calls=50

for (let i = 0; ; i++) await import(`./none${i}.js`).catch(() => {});
print("ESCAPED");
