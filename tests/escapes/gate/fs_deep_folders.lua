-- attack: makes thousands of folders in each other with one call
-- expect: error bad_argument | error io
-- allow: fs:{root}/**

fs.make_directory(("d/"):rep(5000))
print("ESCAPED: made 5000 folders with one call")
