// attack: changes a namespace for who comes next
// expect: error : read-only

"use strict";
fs.read = () => "ESCAPED";
print(fs.read());
