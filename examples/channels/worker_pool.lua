-- A worker pool: three workers share one queue of jobs. They run in the background, so nobody
-- has to tell them to stop.
--
--   llmspell run examples/channels/worker_pool.lua

local jobs, results = channel.make(), channel.make()

local function work(name)
  for job in jobs do
    sleep(job.seconds)
    results:send({ job = job.id, worker = name })
  end
end
for _, name in ipairs({ "ada", "grace", "barbara" }) do spawn(work, name) end

async(function()
  for id = 1, 9 do jobs:send({ id = id, seconds = 0.01 }) end
  jobs:close()
end)

local done, by = 0, {}
for _ = 1, 9 do
  local result = results:receive()
  done = done + 1
  by[result.worker] = true
end
print(done .. " jobs done by " .. (by.ada and by.grace and by.barbara and "all" or "some") .. " workers")

return { done = done }
