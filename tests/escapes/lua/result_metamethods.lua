-- attack: returns a table whose contents are computed when the host reads it
-- expect: ok {"a": 1}

local function trap() print("ESCAPED") while true do end end
return setmetatable({a = 1}, {
  __index = trap, __len = trap, __pairs = trap, __tostring = trap, __eq = trap, __name = "ESCAPED", __lt = trap,
  __concat = trap, __call = trap, __close = trap, __metatable = trap, __mode = "kv", __newindex = trap,
})
