-- attack: looks for debug and collectgarbage behind tables and metatables
-- expect: ok true
-- sandbox: standard

local seen = {}
local function look(v, path)
  if seen[v] then return end
  seen[v] = true
  local meta = getmetatable(v)
  if type(meta) == "table" then look(meta, path .. " meta") end
  for k, inner in pairs(v) do
    if k == "traceback" or k == "collectgarbage" or k == "debug" and path ~= "_G.log" then print("ESCAPED", path, k) end
    if type(inner) == "table" then look(inner, path .. "." .. tostring(k)) end
  end
end
look(_G, "_G")
look({ getmetatable("") or nil }, "text")
return true
