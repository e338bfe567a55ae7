-- attack: hides a second value behind a key that is there twice
-- expect: ok 2

local value = json.decode('{"a": 1, "a": 2}')
if value.a ~= 2 then print("ESCAPED: the first one counts", value.a) end
return value.a
