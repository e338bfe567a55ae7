-- What the host is told of a program that has failed, or that can never go on.

local inside = ...
local next, type, rawget, tostring, pcall, concat, format, gsub, faults, promises, to_text, is_utf8,
  script_frames, co_status =
  inside.next, inside.type, inside.rawget, inside.tostring, inside.pcall, inside.concat, inside.format,
  inside.gsub, inside.faults, inside.promises, inside.to_text, inside.is_utf8, inside.script_frames,
  inside.co_status
local sub, sort = inside.sub, inside.sort

-- Text of the script for an error message: valid, and no longer than can cross.
local function clipped(text)
  if #text > 65536 then text = sub(text, 1, 65536) .. "..." end
  return is_utf8(text) and text or (gsub(text, "[\128-\255]", "?"))
end

-- What the host is told of an uncaught error, as text.
local function report(e, co, text)
  local thread = type(co) == "thread"                -- else where the script stood, or nothing
  local said = { kind = "error", frames = co and (thread and script_frames(co) or co) or nil }
  if inside.reveal and thread then
    local ok, variables = pcall(inside.reveal, co)
    if ok then said.variables = variables end
  end
  if faults[e] then
    -- The script may have put anything into its error object.
    said.kind, said.where, said.class, said.called = "fault", faults[e].where, faults[e].class, faults[e].called
    said.retryable = rawget(e, "retryable") == true
    for _, k in next, { "code", "message", "capability" } do
      local v = rawget(e, k)
      if type(v) == "string" then said[k] = clipped(v) end
    end
    local more = to_text(e, "error")
    if more and #more <= 65536 then said.value = more end
  elseif type(e) == "string" or type(e) == "number" then
    said.message = clipped(tostring(e))
  else
    local message = type(e) == "table" and rawget(e, "message")
    if type(message) == "string" then said.message = clipped(message) end
    local code = type(e) == "table" and rawget(e, "code")
    if type(code) == "string" then said.code = clipped(code) end
    local value = to_text(e, "error")
    said.kind, said.type = "value", type(e)
    if value and #value <= 1048576 then said.value = value end
    if text then said.message = clipped(text) end
  end
  return to_text(said, "error") or '{"kind":"error","message":"an error that cannot be told"}'
end

-- Deadlocks. ------------------------------------------------------------------------------------

-- A tail call leaves no frame, and so no place.
local function place(task, before, after)
  local frame = script_frames(task.co)[1]
  return frame and before .. frame[1] .. ":" .. frame[2] .. after or ""
end

-- What a task waits for. `told` says it of calls, by number.
local function wait_text(task, told)
  local who = (task == task.entry.main and "the program " or "a task ") .. place(task, "at ", " ")
  if task.id then return who .. (told[format("%d", task.id)] or "waits for a call") end
  local awaited = promises[task.awaits]
  awaited = awaited and awaited.task
  if awaited and not awaited.dropped then return who .. "awaits the task" .. place(awaited, " at ", "") end
  return who .. (task.runners and "waits for its parallel tasks" or "awaits a promise")
end

local MAX_TASKS_TOLD = 10

-- Ends an entry none of whose tasks can go on. A task that has failed unseen may be the reason.
local function deadlock(entry, told)
  local counts, texts, more = {}, {}, 0
  for _, tasks in next, { entry.tasks, entry.background } do
    for task in next, tasks do
      local text = wait_text(task, told)
      if not counts[text] then texts[#texts + 1] = text end
      counts[text] = (counts[text] or 0) + 1
    end
  end
  sort(texts, function(a, b)
    local first_, second = sub(a, 1, 4) == "the ", sub(b, 1, 4) == "the "
    if first_ ~= second then return first_ end
    return a < b
  end)
  for i = #texts, 1, -1 do
    local count = counts[texts[i]]
    if i > MAX_TASKS_TOLD then
      more, texts[i] = more + count, nil
    elseif count > 1 then
      texts[i] = texts[i] .. " (" .. count .. " of them)"
    end
  end
  if more > 0 then texts[#texts + 1] = "and " .. more .. " more" end
  local main = entry.main
  if co_status(main.co) == "dead" then main = next(entry.tasks) or main end
  entry.over, entry.ok, entry.co = true, next(entry.failures) ~= nil, main.co
  if not entry.ok then
    entry.value = place(main, "", ": ") .. "deadlock: every task waits for another one: " .. concat(texts, "; ")
  end
  inside.finish(entry)
end

return { report = report, deadlock = deadlock }
