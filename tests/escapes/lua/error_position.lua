-- attack: raises text that looks like a position, with a digit that is no number
-- expect: error runtime : boom

-- Would be ESCAPED: an error of Python instead of one of ours.
error("spell:²: boom", 0)
