-- attack: reads the address of the engine's state from the seed of its random numbers
-- expect: ok 0

local found = 0
for _, seed in ipairs({math.randomseed()}) do
  -- Where Linux on 64 bits keeps heaps, libraries and stacks.
  if type(seed) == "number" and seed >= 0x550000000000 and seed <= 0x7fffffffffff then
    print(("ESCAPED %x"):format(seed))
    found = found + 1
  end
end
return found
