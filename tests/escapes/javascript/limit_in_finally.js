// attack: catches the limit of time and goes on
// expect: limit time
// limits: time=0.3

function again() { try { for (;;); } catch {} finally { print("ESCAPED"); } }
for (;;) try { again(); } catch {} finally { print("ESCAPED"); }
