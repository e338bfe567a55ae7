// attack: imports a spell that it is not allowed to read
// expect: error not_found : there is no module

import * as found from "./inside.txt";
print("ESCAPED", found);
