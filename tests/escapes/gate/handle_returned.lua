-- attack: takes a handle out of the run in its result
-- expect: error runtime
-- allow: llm:test/offline

local kept = agent.create({ model = "test/offline" })
-- A result with it inside is what ESCAPED would mean here.
return { kept }
