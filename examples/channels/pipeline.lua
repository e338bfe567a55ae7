-- A pipeline: each stage is a task that reads one channel and writes the next. A full channel
-- holds the stage before it back, so nothing piles up; closing travels from stage to stage.
--
--   llmspell run examples/channels/pipeline.lua

-- Starts a stage with so many tasks that share its work; gives the channel it writes to.
local function stage(input, tasks, work)
  local output, running = channel.make(4), tasks
  for _ = 1, tasks do
    async(function()
      for value in input do
        local result = work(value)
        if result ~= nil then output:send(result) end
      end
      running = running - 1
      if running == 0 then output:close() end
    end)
  end
  return output
end

local numbers = channel.make()
async(function()
  for n = 1, 20 do numbers:send(n) end
  numbers:close()
end)

local even = stage(numbers, 1, function(n) if n % 2 == 0 then return n end end)
local squares = stage(even, 3, function(n)
  sleep(0.005)
  return n * n
end)

local count, sum = 0, 0
for square in squares do count, sum = count + 1, sum + square end
print(("%d squares, %d in all"):format(count, sum))

return { count = count, sum = sum }
