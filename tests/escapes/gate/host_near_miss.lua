-- attack: has the host look for names like one of megabytes
-- expect: error not_found | error bad_argument
-- allow: tool

tools.execute(("x"):rep(8000000))
print("ESCAPED")
