-- attack: returns and passes text that is no UTF-8, as values and as keys
-- expect: error runtime : has a key that is not valid UTF-8

for _, text in ipairs({"\255", "\192\128", "\237\160\128", "\244\144\128\128", "\248\136\128\128\128", "a\128"}) do
  if pcall(json.encode, {[text] = 1}) or pcall(log.info, text) then print("ESCAPED") end
end
return {["\255"] = "\255"}
