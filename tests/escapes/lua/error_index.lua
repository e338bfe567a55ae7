-- attack: raises an object whose fields are computed, when the host reads its message
-- expect: error runtime : the script raised table

local function trap() print("ESCAPED") while true do end end
error(setmetatable({}, {
  __index = trap, __pairs = trap, __len = trap, __eq = trap, __concat = trap, __name = "ESCAPED", __call = trap,
}))
