"""Searching long texts in steps: the same results as the C library's, and no call that hangs."""

from __future__ import annotations

import asyncio
import importlib
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import llmspell
from llmspell import Session
from llmspell.errors import LimitExceeded, StepLimit, TimeLimit

MODULES = {"lua54": "lua54", "lua55": "lua55", "luajit": "luajit21"}
ENGINES = tuple(MODULES)
PRELUDE = Path(llmspell.__file__).parent / "engines" / "prelude"

# The parts in a plain Lua state, with all they want of the core, beside the real functions.
HARNESS = r"""
local sources = ...
local force
local inside = {
  string = string, math = math, type = type, next = next, select = select, concat = table.concat,
  unpack = table.unpack or unpack, find = string.find, match = string.match, gsub = string.gsub,
  linear = {}, gmatch = string.gmatch, error = error, pcall = pcall, setmetatable = setmetatable,
  tonumber = tonumber, getinfo = debug.getinfo, weak = { __mode = "k" }, most = {},
  look = function() end, counted = function() end,
  guarded = function(_, f, ...) return pcall(f, ...) end,
  unguarded = function(ok, ...) if ok then return ... end error((...), 0) end,
}
local made = {}
function inside.need(name)
  if not made[name] then
    local code = string.dump(assert((loadstring or load)(sources[name], "=prelude")), true)
    made[name] = (loadstring or load)(code, "=prelude")(inside)
    if name == "patterns" then
      local decide = made[name].decide
      made[name].decide = function(plan, s, size)
        local mode, one, all = decide(plan, s, size)
        if plan.broken then return force == 1 and 1 or 3, one, all end
        if force == 4 and (not plan.fronted or plan.anchor) then return 2, one, all end
        return force, one, all
      end
    end
  end
  return made[name]
end
local ours = inside.need("searching").careful
ours.gsub = inside.need("replacing")

local function show(ok, ...)
  if not ok then return (tostring((...)):gsub("to '%S+'", "to '?'")) end
  local out = { tostring(ok) }
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    out[#out + 1] = type(v) == "string" and ("%q"):format(v) or tostring(v)
  end
  return table.concat(out, " ")
end

local function call(f, ...)
  local function keep(...) return ... end
  return keep(f(...))
end

local function iterate(gmatch, s, p, init)
  local out = {}
  for a, b, c, d, e, f in gmatch(s, p, init) do
    out[#out + 1] = show(true, a, b, c, d, e, f)
    if #out > 200 then break end
  end
  return table.concat(out, ";")
end

local function answer(...)
  local n = select("#", ...)
  if n > 1 then return "<" .. n .. tostring((select(n, ...))) .. ">" end
  local first = ...
  if first == "a" then return nil elseif first == "b" then return 7 end
  if first == " " then return {} end
  return tostring(first) .. "!"
end
local texts = setmetatable({ a = "A", b = false, ab = 5, [1] = "one", [2] = "two" }, {
  __index = function(_, k)
    if k == "ba" then return k .. k end
    if k == "  " then return true end
  end,
})

local function all(from, s, p, init, replacement, max)
  return {
    show(pcall(call, from.find, s, p, init)), show(pcall(call, from.match, s, p, init)),
    show(pcall(call, iterate, from.gmatch, s, p, init)),
    show(pcall(call, from.gsub, s, p, replacement, max)),
    show(pcall(call, from.gsub, s, p, answer, max)),
    show(pcall(call, from.gsub, s, p, texts, max)),
    show(pcall(from.find, s, p, init, true)),
  }
end

-- The real ones, as spells have them when the text is short.
-- Ways: 1 C searches, 2 C tries one start after another, 3 the matcher in Lua, 4 C searches the
-- starts of runs.
local bare = load(string.dump(assert((loadstring or load)([[
local inside = ...
local string, pcall, type, unguarded = inside.string, inside.pcall, inside.type, inside.unguarded
local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub
return {
  find = function(...) return find(...) end, match = function(...) return match(...) end,
  gmatch = function(...) return gmatch(...) end,
  gsub = function(s, p, replacement, max)
    if type(replacement) == "string" then return gsub(s, p, replacement, max) end
    return unguarded(pcall(gsub, s, p, replacement, max))
  end,
}]])), true), "=prelude")(inside)

return function(s, p, init, replacement, max)
  local told = all(bare, s, p, init, replacement, max)
  for way = 1, 4 do
    force = way
    local mine = all(ours, s, p, init, replacement, max)
    for i = 1, #told do
      if told[i] ~= mine[i] then
        return way .. "." .. i .. ": C: " .. told[i] .. " ours: " .. mine[i]
      end
    end
  end
  return ""
end
"""


@cache
def comparing(engine: str) -> Any:
    """A function that says where ours and the C library's answers differ."""
    lupa = importlib.import_module(f"lupa.{MODULES[engine]}")
    lua = lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    sources = {
        name.encode(): (PRELUDE / f"{name}.lua").read_bytes()
        for name in ("sets", "patterns", "matching", "searching", "replacing")
    }
    return lua.compile(HARNESS.encode())(lua.table_from(sources))


# The same results.

SINGLES = ("a", "b", " ", ".", "%a", "%s", "%w", "%W", "[ab]", "[^a]", "[a-b]", "[%s]", "[^%s]",
           "%.", "[]]", "[^]]", "[a-]", "[%]a]", "%%", "$", "^", "-", "\xff", "[^%a]")  # fmt: skip
MARKS = ("(", ")", "()", "%1", "%2", "%b()", "%bab", "%f[a]", "%f[%s]", "%f[^a]", "$", "%baa")
WRONG = (
    "%",
    "[",
    "[^",
    "[a",
    "[a-",
    "[%",
    "%b",
    "%ba",
    "%f",
    "%fa",
    "%f[",
    "(",
    ")",
    "%0",
    "%3",
    "\0",
)

pieces = st.tuples(st.sampled_from(SINGLES), st.sampled_from(["", "*", "+", "-", "?"])).map("".join)
patterns = st.one_of(
    st.tuples(
        st.sampled_from(["", "", "^"]),
        st.lists(
            st.one_of(
                pieces,
                pieces,
                pieces.map("({})".format),
                st.tuples(pieces, pieces).map(lambda two: f"({two[0]}{two[1]})"),
                st.sampled_from(MARKS),
            ),
            max_size=6,
        ).map("".join),
        st.sampled_from(["", "", "", "$", *WRONG]),
    ).map("".join),
    st.text("ab%[]^$().*+-?1bf\0", max_size=8),
)
subjects = st.one_of(
    st.text("ab", max_size=12), st.text("ab ().\0\xff$^", max_size=12), st.text("a b", max_size=30)
)
replacements = st.one_of(
    st.sampled_from(
        ["", "x", "%0", "%1", "<%1%2>", "%%", "%", "%x", "%5", "a%0%1b", "%1" * 20, "%z%9"]
    ),
    st.text("ab%012", max_size=5),
)
places = st.one_of(
    st.none(), st.integers(-14, 14), st.sampled_from(["2", "x", 1.5, 2.0, 10**10, -(10**10)])
)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=1500, deadline=None, database=None)
@given(pattern=patterns, subject=subjects, init=places, replacement=replacements, most=places)
@example("a*", "aab", None, "-", None)
@example("()", "ab", 3, "-", None)
@example("b*", "abb", 9, "-", 1)
@example("^a*", "aab", None, "-", 2)
@example("(a)(b)(a)(b)(a)%5", "ababaa", None, "%5%4", None)
@example("^%s*(.-)%s*$", "  a b  ", None, "%1", None)
@example("a-%f[ ]", "aa a", None, "", None)
@example("[%b%f]", "fab", None, "%0%0", None)
@example(".+$", "a", None, "", None)
@example("b?()", "   ", 3.0, "", None)
def test_the_same_as_the_c_library(
    engine: str, pattern: str, subject: str, init: Any, replacement: str, most: Any
) -> None:
    texts = (text.encode("latin-1") for text in (subject, pattern))
    texts = [*texts, init.encode() if isinstance(init, str) else init, replacement.encode()]
    told = comparing(engine)(*texts, most.encode() if isinstance(most, str) else most)
    assert told == b"", (pattern, subject, told)


# No call that hangs.

LONG_CALLS = {
    "backtracking": 'return ("a"):rep(1e4):find(".-.-.-.-b$")',
    "backtracking at once": 'return ("a"):rep(1e6):match("^.-.-.-.-b$")',
    "optional items": 'return ("a"):rep(32):match(("a?"):rep(32) .. ("(a*)"):rep(12) .. "b")',
    "a number": "return string.find(1e15, ('.-'):rep(90) .. 'x')",
    "gsub": 'return ("a"):rep(1e4):gsub(".-.-.-b", "")',
    "gsub with a function": 'return ("a"):rep(1e4):gsub(".-.-.-b", function() end)',
    "gsub with a table": 'return ("a"):rep(1e4):gsub("a*a*a*a*b", {})',
    "gmatch": 'for w in ("a"):rep(1e4):gmatch(".-.-.-b") do end',
    "every start": 'return ("ab"):rep(1e6):find("a[ab]*c")',
    "balance": 'return ("("):rep(1e6):gsub("%b()", "")',
    "balance by gmatch": 'for w in ("("):rep(1e6):gmatch("%b()") do end',
    "a back-reference": 'return ("a"):rep(3e4):find("(a*)(a*)%1%2b")',
    "empty captures": 'return ("x"):rep(1e6):gsub("(y?)x", ("%1"):rep(1e5))',
    "many short ones": 'local s = ("a"):rep(500) while true do s:find(".-.-b") end',
    "iterators kept": """
        local all, s = {}, ("a"):rep(3000)
        for i = 1, 20000 do all[i] = s:gmatch("a*b") end
        for i = 1, #all do all[i]() end""",
    "plain": 'return ("a"):rep(8e6):find(("a"):rep(4e6) .. "b", 1, true)',
    "plain by itself": 'return ("a"):rep(1e6):find(("a"):rep(5e5) .. "b")',
    "sort": """
        local t = {} for i = 1, 3e5 do t[i] = (i * 7919) % 3e5 end
        while true do table.sort(t) t[1], t[#t] = t[#t], t[1] end""",
    "sort of long texts": """
        local stem = ("x"):rep(1e6) local a, b, t = stem .. "a", stem .. "b", {}
        for i = 1, 1e5 do t[i] = i % 2 == 0 and a or b end
        while true do table.sort(t) t[1], t[#t] = b, a end""",
    "sort by a built-in": """
        local t = {} for i = 1, 1e4 do t[i] = ("a"):rep(60) .. i end
        while true do pcall(table.sort, t, string.find) end""",
    "move": """
        local t = {} for i = 1, 1e6 do t[i] = i end
        while true do table.move(t, 1, 1e6, 2) end""",
    "concat": """
        local t = {} for i = 1, 1e6 do t[i] = "" end while true do table.concat(t) end""",
    "insert": """
        local t = {} for i = 1, 1e6 do t[i] = i end
        while true do table.insert(t, 1, 0) table.remove(t, 1) end""",
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LONG_CALLS)
def test_a_long_call_meets_its_limit_of_time(name: str, engine: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimeLimit):
        llmspell.run_sync(LONG_CALLS[name], engine=engine, limits={"time": 0.3})
    # A bound against hanging, not a measurement.
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name", ["backtracking", "gsub with a function", "gmatch", "optional items"]
)
def test_a_long_search_takes_steps(name: str, engine: str) -> None:
    with pytest.raises(StepLimit) as caught:
        llmspell.run_sync(LONG_CALLS[name], engine=engine, limits={"steps": 200_000, "time": 20})
    assert 198_000 <= caught.value.result.usage.steps <= 202_000


@pytest.mark.parametrize("engine", ENGINES)
def test_a_long_call_delays_nobody(engine: str) -> None:
    names = (
        "backtracking",
        "every start",
        "balance",
        "plain",
        "sort",
        "sort of long texts",
        "move",
    )

    async def main() -> float:
        worst, done = 0.0, False

        async def beat() -> None:
            nonlocal worst
            while not done:
                began = time.perf_counter()
                await asyncio.sleep(0.01)
                worst = max(worst, time.perf_counter() - began - 0.01)

        async with Session(engine=engine, limits={"time": 1.0}) as session:
            beating = asyncio.create_task(beat())
            for name in names:
                result = await session.attempt(LONG_CALLS[name])
                assert isinstance(result.error, LimitExceeded), name
            done = True
            await beating
        return worst

    # Generous, for machines that are busy themselves.
    assert asyncio.run(main()) < 0.8


# Long texts, where the way is chosen.

LARGE = r"""
local words = {
  "name_x = value", "other=12345", "  the quick brown fox ", "", "a,b;c", "x==y (z (w))",
}
local lines, seed = {}, 1
for i = 1, 2500 do
  seed = (seed * 16807) % 2147483647
  lines[i] = words[seed % #words + 1] .. (" "):rep(seed % 7)
end
local text = table.concat(lines, "\n")
local function sum(s)
  local total = 0
  for i = 1, #s do total = (total * 31 + s:byte(i)) % 1000003 end
  return #s .. ":" .. total
end
local out = {}
local function keep(...)
  local given = {}
  for i = 1, select("#", ...) do given[i] = tostring((select(i, ...))) end
  out[#out + 1] = sum(table.concat(given, "|"))
end
for _, p in ipairs({
  "%w+", "(%w+)", "([^\n]*)\n", "(.-)\n", "[^\n]+", "()%a+()", "(%w+)%s*=%s*(%w+)",
  "([%w_]+)%s*=%s*(%w+)", "%w+=%w", "%s+$", "^%s*(.-)%s*$", "%b()", "%f[%w]%w+", "(%w)%1", "x*",
  "(%a)(%a)(%a)", "(a)(,)(b)(;)(c)", "%w+@%w+", "q%w-k", "[ab]*c", "%s*=%s*", "\n%s*\n", "a*b?c",
  ".-fox", "=(%d+)", " +\n", "^(%w+)",
}) do
  keep(text:find(p))
  keep(text:find(p, 5000))
  keep(text:match(p, -500))
  local all = {}
  for a, b, c, d, e in text:gmatch(p) do
    local found = {tostring(a), tostring(b), tostring(c), tostring(d), tostring(e)}
    all[#all + 1] = table.concat(found, "/")
  end
  keep(table.concat(all, ";"))
  keep(text:gsub(p, "<%1>"))
  keep(text:gsub(p, "-", 77))
  keep(text:gsub(p, function(a, b, c)
    return tostring(a):upper() .. (b or "") .. (c or "")
  end))
  keep(text:gsub(p, string.rep, 0))
  keep(text:gsub(p, {quick = "slow", a = 1, fox = false}))
  keep(text:gsub(p, function(a) return a ~= "fox" and "." end, 3000))
end
keep(text:find(text:sub(-3000), 1, true))
keep((text .. text .. text):rep(12):find(text:sub(-3000) .. "!", 1, true))
keep(((text .. text .. text):rep(12) .. "!"):find(text:sub(-3000) .. "!", 1, true))
keep((text .. text .. text):rep(12):find(("?"):rep(90), 1, true))
for _, p in ipairs({"(", "a(", ")"}) do
  keep(pcall(string.gsub, ("a"):rep(600), p, ("x"):rep(2e4) .. "%%", 3))
end
return table.concat(out, "\n")
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_long_texts_give_the_same(engine: str) -> None:
    lupa = importlib.import_module(f"lupa.{MODULES[engine]}")
    lua = lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    told = llmspell.run_sync(LARGE, engine=engine, limits={"time": 60}).value
    assert told.split("\n") == lua.execute(LARGE.encode()).decode().split("\n")


SORTS = """
local out, t = {}, {}
for i = 1, 40000 do t[i] = (i * 7919) % 40009 end
table.sort(t)
for i = 2, #t do if t[i - 1] > t[i] then return "disorder" end end
table.sort(t, function(a, b) return a > b end)
for i = 2, #t do if t[i - 1] < t[i] then return "disorder" end end
for i = 1, #t do t[i] = ("%d"):format(t[i]):rep(40) end
table.sort(t)
for i = 2, #t do if t[i - 1] > t[i] then return "disorder" end end
t[777] = {}
out[1] = select(2, pcall(table.sort, t)):match("attempt to compare")
t[777] = nil
for i = 1, 250000 do t[i] = i end
table.insert(t, 3, "new")
out[2], out[3], out[4], out[5] = t[2], t[3], t[4], t[250001]
out[6], out[7], out[8] = table.remove(t, 3), t[3], #t
out[9], out[10] = #table.concat(t, ","), table.concat(t, "", 1, 200001):sub(-6)
table.move(t, 1, 200000, 3)
out[11], out[12], out[13] = t[2], t[3], t[200002]
table.move(t, 3, 200002, 1)
out[14], out[15], out[16] = t[1], t[200000], #table.move(t, 1, 200000, 1, {})
t[200000] = {}
out[17] = select(2, pcall(table.concat, t)):match("invalid value.*index 200000")
return out
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_long_tables_give_the_same(engine: str) -> None:
    told = llmspell.run_sync(SORTS, engine=engine, limits={"time": 60}).value
    assert told[0] == "attempt to compare"
    assert told[1:8] == [2, "new", 3, 250000, "new", 3, 250000]
    assert told[8:10] == [len(",".join(map(str, range(1, 250001)))), "200001"]
    assert told[10:16] == [2, 1, 200000, 1, 200000, 200000]
    assert told[16].startswith("invalid value")
