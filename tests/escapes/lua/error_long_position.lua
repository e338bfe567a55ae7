-- attack: raises text that looks like a position, with more digits than Python reads
-- expect: error runtime : boom

-- Would be ESCAPED: an error of Python instead of one of ours.
error("spell:" .. ("9"):rep(5000) .. ": boom", 0)
