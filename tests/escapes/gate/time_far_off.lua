-- attack: the inside of the host in what it says of a moment that no clock can show
-- expect: ok [1, 1, 1, 1]
-- engines: lua54, lua55

local seen = {}
for i, seconds in ipairs({1e17, -1e308, 9007199254740993, -62135596801}) do
  local ok, err = pcall(time.format, seconds, "%Y")
  if ok or err.message:find("Errno") or err.message:find("platform") then
    print("ESCAPED: " .. tostring(err))
  end
  seen[i] = err.code == "bad_argument" and 1 or 0
end
return seen
