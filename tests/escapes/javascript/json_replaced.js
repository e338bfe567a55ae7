// attack: changes JSON before a call
// expect: error denied

JSON.stringify = () => '[["print",0,"ESCAPED",""]]';
JSON.parse = () => ["ESCAPED"];
globalThis.JSON = null;
await fs.read("{outside}/secret.txt");
