-- Fan-out and fan-in: every question goes to several sources at the same time, and the answers come
-- back through one channel as they arrive. What is too slow is given up.
--
--   llmspell run examples/channels/fan_out_fan_in.lua

local sources = {
  { name = "cache", seconds = 0.005 },
  { name = "index", seconds = 0.02 },
  { name = "archive", seconds = 60 },
}

local function ask(question, patience)
  local answers = channel.make(#sources)
  for _, source in ipairs(sources) do
    spawn(function()
      sleep(source.seconds)
      answers:send({ source = source.name, text = question .. " (from the " .. source.name .. ")" })
    end)
  end
  local found = {}
  while #found < #sources do
    local got = channel.select({ answer = { receive = answers } }, { timeout = patience })
    if got.case == "timeout" then break end
    found[#found + 1] = got.value
    print(got.value.text)
  end
  return found
end

local found = ask("What is a channel?", 1)
print(("%d of %d sources answered in time"):format(#found, #sources))

return { answered = #found }
