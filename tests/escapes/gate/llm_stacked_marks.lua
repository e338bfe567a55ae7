-- attack: puts marks in a row on one letter, which models' libraries sort in the square of its length
-- expect: error bad_argument: marks
-- limits: time=5
-- allow: llm:*

llm.providers.create_mock("m", { "x" }, { cycle = true })
llm.pool.create("p", { "m" }):generate("<a" .. ("\u{301}\u{323}"):rep(60000))
print("ESCAPED: the host has sorted them")
