// attack: imports itself by other names, for ever
// expect: limit calls
// limits: time=20, calls=50

for (let i = 0; ; i++) await import(`./none${i}.js`).catch(() => {});
print("ESCAPED");
