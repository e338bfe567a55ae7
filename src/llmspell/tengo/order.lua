-- The keys of maps in order: for what shows them, and for runs that must be the same in every state.

local inside = ...
local next, counted, look, move, sort = inside.next, inside.counted, inside.look, inside.table.move, inside.table.sort

-- Sorting many texts is one call of C, so it is done in pieces, which are then merged.
local PIECE = 4096
local function sort_pieces(keys, n)
  local from, size = {}, PIECE
  for i = 1, n, PIECE do
    look()
    local piece = move(keys, i, i + PIECE - 1 < n and i + PIECE - 1 or n, 1, {})
    sort(piece)
    move(piece, 1, #piece, i, from)
  end
  while size < n do
    local to, k = {}, 0
    for low = 1, n, 2 * size do
      local i, middle = low, low + size
      local j, high = middle, low + 2 * size < n + 1 and low + 2 * size or n + 1
      if middle > high then middle, j = high, high end
      while i < middle or j < high do
        counted()
        k = k + 1
        if j >= high or i < middle and from[i] <= from[j] then to[k], i = from[i], i + 1 else to[k], j = from[j], j + 1 end
      end
    end
    from, size = to, 2 * size
  end
  return from
end

-- The keys from 1 on, and how many.
function inside.tengo.sorted_keys(t)
  local keys, n = {}, 0
  for k in next, t do
    counted()
    n = n + 1
    keys[n] = k
  end
  if n > PIECE then keys = sort_pieces(keys, n) else sort(keys) end
  return keys, n
end
