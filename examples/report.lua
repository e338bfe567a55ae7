-- Reads a document, asks a model about each of its sections at the same time, measures it with a
-- tool, and writes a report.
--
--   llmspell run examples/report.lua -p document=docs/design.md -p report=report.md

local path = params.document or "docs/design.md"
local target = params.report or "report.md"
local text = fs.read(path)

-- A section is a heading of the second level and what follows it.
local sections = {}
for line in (text .. "\n"):gmatch("(.-)\n") do
  local title = line:match("^##%s+(.+)")
  if title then
    sections[#sections + 1] = { title = title, lines = {} }
  elseif #sections > 0 then
    table.insert(sections[#sections].lines, line)
  end
end
print(("read %s: %d bytes, %d sections"):format(path, #text, #sections))

-- A tool of our own: the agent below may call it, and so may we.
tools.register("reading_time", "Tells how many minutes a text of so many words takes to read.", {
  type = "object",
  properties = { words = { type = "integer", minimum = 0, examples = { 1200 } } },
  required = { "words" },
}, function(args)
  return tools.execute("calculator", { expression = ("round(%d / 220, 1)"):format(args.words) })
end)

local _, words = text:gsub("%S+", "")
local minutes = tools.execute("reading_time", { words = words })
print(("a tool says: %d words take %s minutes"):format(words, minutes))

-- Every section at the same time: this takes as long as the slowest answer.
local asks = {}
for i, section in ipairs(sections) do
  asks[i] = function()
    return llm.generate("Summarise in one sentence: " .. table.concat(section.lines, "\n"), {
      system = "You summarise technical documents.",
      max_tokens = 200,
    })
  end
end
local summaries = parallel(asks, { limit = 8 })
print(("a model summarised %d sections"):format(#summaries))

local editor = agent.create {
  system = "You are an editor. Use your tools.",
  tools = { "reading_time" },
}
local verdict = editor:run("How long does " .. path .. " take to read, and who should read it?")
print(("an agent used %d tool(s)"):format(#verdict.tool_calls))

local out = { "# Report on " .. path, "", verdict.content, "" }
for i, section in ipairs(sections) do
  out[#out + 1] = "- **" .. section.title .. "**: " .. summaries[i]
end
fs.write(target, table.concat(out, "\n") .. "\n")
print("wrote " .. target)

return { report = target, words = words, minutes = minutes, sections = #sections }
