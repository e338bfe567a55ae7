// attack: imports a spell that it is not allowed to read
// expect: error

import * as found from "./inside.txt";
print("ESCAPED", found);
