"""Safepoints: where the counters go, and that programs mean the same with them as without."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmspell
from llmspell.engines.lua_safepoints import rewrite
from llmspell.errors import ScriptRuntimeError, ScriptSyntaxError, StepLimit

MODULES = {"lua54": "lua54", "lua55": "lua55", "luajit": "luajit21"}
POINT = " _n=_n-1 if _n<0 then _n=_nf() end "


def body(source: str) -> str:
    """The rewritten program, without what it is wrapped in, a counter shown as `@`."""
    code = rewrite(source).code
    head, tail = "local _n,_nf=... return function(...) ", "\nend"
    assert code.startswith(head)
    assert code.endswith(tail)
    return code[len(head) : -len(tail)].replace(POINT, "@")


def run(source: str, engine: str, **limits: Any) -> Any:
    return llmspell.run_sync(source, engine=engine, limits=limits).value


def to_python(value: Any) -> Any:
    """A value of plain Lua as llmspell shows it."""
    if isinstance(value, bytes):
        return value.decode()
    if not hasattr(value, "items"):
        return value
    items = dict(value.items())
    if list(items) == list(range(1, len(items) + 1)):
        return [to_python(item) for item in items.values()]
    return {to_python(key): to_python(item) for key, item in items.items()}


def plain(source: str, engine: str) -> Any:
    """What a program gives without us."""
    lupa = importlib.import_module(f"lupa.{MODULES[engine]}")
    lua = lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    return to_python(lua.compile(source.encode(), name=b"=spell")())


# Where the counters go. ---------------------------------------------------------------------------

GOLDEN = [
    # After every do, repeat and function head, and before every goto.
    ("while x do y() end", "while x do@ y() end"),
    ("for i=1,2 do end", "for i=1,2 do@ end"),
    ("for k,v in pairs(t)do f()end", "for k,v in pairs(t)do@ f()end"),
    ("do local x end", "do@ local x end"),
    ("repeat f() until x", "repeat@ f() until x"),
    ("function f() end", "function f()@ end"),
    ("function a.b.c:d(x, ...) end", "function a.b.c:d(x, ...)@ end"),
    ("local function f(a, b) return a end", "local function f(a, b)@ return a end"),
    ("return function() return 1 end", "return function()@ return 1 end"),
    ("f(function(a) end, function(b) end)", "f(function(a)@ end, function(b)@ end)"),
    ("::top:: goto top", "::top:: @goto top"),
    ("if x then goto done end ::done::", "if x then @goto done end ::done::"),
    ("goto--[[ there ]]x ::x::", "@goto--[[ there ]]x ::x::"),
    ("goto\nx ::x::", "@goto\nx ::x::"),
    # Nowhere else.
    ("", ""),
    ("return 1", "return 1"),
    ("if a then b() elseif c then d() end", "if a then b() elseif c then d() end"),
    ("for i=1,2 do goto next ::next:: end", "for i=1,2 do@ @goto next ::next:: end"),
    # Words that only contain a keyword, or stand in text.
    ("local dodo, redo, do_, _do = 1", "local dodo, redo, do_, _do = 1"),
    ("local repeated, functional, gotos = 1", "local repeated, functional, gotos = 1"),
    ("x = 'do repeat function() goto x'", "x = 'do repeat function() goto x'"),
    ('x = "while true do \\" do"', 'x = "while true do \\" do"'),
    ("x = 'a\\\ndo'", "x = 'a\\\ndo'"),
    ("x = '\\\\' do end", "x = '\\\\' do@ end"),
    ("x = [[ do ' \" ]] do end", "x = [[ do ' \" ]] do@ end"),
    ("x = [==[ do ]] ]=] do ]==] do end", "x = [==[ do ]] ]=] do ]==] do@ end"),
    ("x = t[t[1]] do end", "x = t[t[1]] do@ end"),
    ("-- do repeat\ndo end", "-- do repeat\ndo@ end"),
    ("--[[ do\nrepeat ]] do end", "--[[ do\nrepeat ]] do@ end"),
    ("--[==[ ]] do ]==] do end", "--[==[ ]] do ]==] do@ end"),
    ("--[=x do\ndo end", "--[=x do\ndo@ end"),
    ("---[[ do\ndo end --]]", "---[[ do\ndo@ end --]]"),
    ("x = a - -b do end", "x = a - -b do@ end"),
    ("x = 0xd0 do end", "x = 0xd0 do@ end"),
    ("x = 5 // 2 do end -- do", "x = 5 // 2 do@ end -- do"),
    # Heads with comments between.
    ("function --[[ ( ) do ]] f --( )\n(a, --[=[ ) ]=] b) end",
     "function --[[ ( ) do ]] f --( )\n(a, --[=[ ) ]=] b)@ end"),
    ("function f(a, -- the first )\n b) return a end",
     "function f(a, -- the first )\n b)@ return a end"),
    ("local f = function--[[()]]() end", "local f = function--[[()]]()@ end"),
    ("function f ( ) do end end", "function f ( )@ do@ end end"),
    # A first line for the shell.
    ("#!/usr/bin/env llmspell do\ndo end", "--!/usr/bin/env llmspell do\ndo@ end"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "wanted"), GOLDEN, ids=repr)
def test_where_the_counters_go(source: str, wanted: str) -> None:
    assert body(source) == wanted


@pytest.mark.parametrize(("source", "wanted"), GOLDEN, ids=repr)
def test_no_line_moves(source: str, wanted: str) -> None:
    code = rewrite(source).code
    assert code.count("\n") == source.count("\n") + 1
    for before, after in zip(source.split("\n")[1:], code.split("\n")[1:], strict=False):
        assert after.replace(POINT, "") == before


def test_the_words_of_a_program_are_known() -> None:
    assert rewrite("local abc = x.y -- no\nprint('nor this')").words == {
        "local", "abc", "x", "y", "print",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "counter"),
    [
        ("x = 1", "_n"),
        ("local _n = 1", "_n_"),
        ("local _nf = 1", "_n_"),
        ("local _n, _n_ = 1", "_n__"),
        ("local _n, _n_f = 1", "_n__"),
        ("x = '_n' -- _n", "_n"),
    ],
)
def test_the_names_of_counters_are_fresh(source: str, counter: str) -> None:
    found = rewrite(source)
    assert (found.counter, found.check) == (counter, counter + "f")
    assert {found.counter, found.check}.isdisjoint(found.words)


@pytest.mark.parametrize("engine", MODULES)
def test_a_program_may_use_the_names_of_counters(engine: str) -> None:
    source = """
        local _n, _nf = 5, function() return "mine" end
        _n_ = 7
        for i = 1, 3 do _n = _n + i end
        local loaded = load("_n = 1 for i = 1, 2 do _n = _n + 1 end return _n")
        return {_n, _nf(), _n_, loaded()}
    """
    assert run(source, engine) == [11, "mine", 7, 3]


# What may run for ever passes one. ----------------------------------------------------------------

HIDDEN = {
    "after a comment that a carriage return ends": "-- x\rwhile i < 3e5 do i = i + 1 end",
    "in a head after such a comment": "local function f( -- )\r) if i < 3e5 then i = i + 1 "
    "return f() end end f()",
    "after a shebang that a carriage return ends": "#!x\rwhile i < 3e5 do i = i + 1 end",
    "after both line ends": "-- x\r\nwhile i < 3e5 do i = i + 1 end",
    "after a string with line ends": "local s = 'a\\\r\nb\\\rc' while i < 3e5 do i = i + 1 end",
    "after a long string": "local s = [==[ ]=] ]==] while i < 3e5 do i = i + 1 end",
    "after strange blanks": "\f\v\twhile\fi < 3e5\vdo i = i + 1 end",
    "in one line without blanks": "while(i<3e5)do(function()i=i+1 end)()end",
    "by goto": "::a:: if i < 3e5 then i = i + 1 goto--[[x]]a end",
    "by goto over lines": "::a:: if i < 3e5 then i = i + 1 goto\n-- x\n\n a end",
    "by goto with strange blanks": "::a:: if i < 3e5 then i = i + 1 goto\f\ra end",
    "after a long comment": "--[=[ ]] ]=] while i < 3e5 do i = i + 1 end",
    "after numbers": "local x = 0x.8p1 + .5e-1 + 3. while i < 3e5 do i = i + 1 end",
    "after an escape": "local s = '\\'' while i < 3e5 do i = i + 1 end",
}


@pytest.mark.parametrize("engine", MODULES)
@pytest.mark.parametrize("loop", HIDDEN)
def test_no_loop_is_hidden_from_the_counter(loop: str, engine: str) -> None:
    source = HIDDEN[loop]
    source = source if source.startswith("#") else "local i = 0 " + source
    source = source.replace("\rwhile", "\rlocal i = 0 while") if source[0] == "#" else source
    with pytest.raises(StepLimit):
        run(source, engine, steps=1000)
    with pytest.raises(StepLimit):
        run(f"return load({lua_string(source)})()", engine, steps=1000)


def lua_string(text: str) -> str:
    """A text as a Lua literal that holds no line end."""
    return '"' + "".join(f"\\{ord(c):03}" if not c.isalnum() else c for c in text) + '"'


@pytest.mark.parametrize("engine", MODULES)
@pytest.mark.parametrize(
    ("source", "steps"),
    [
        ("return 1", 0),
        ("do end do end", 2),
        ("for i = 1, 10 do end", 10),
        ("local i = 0 while i < 10 do i = i + 1 end", 10),
        ("local i = 0 repeat i = i + 1 until i == 10", 10),
        ("local function f() end for i = 1, 10 do f() end", 20),
        ("local i = 0 ::a:: i = i + 1 if i < 10 then goto a end", 9),
        ("for i = 1, 10 do if i > 5 then goto next end ::next:: end", 15),
    ],
)
def test_every_turn_and_call_is_one_step(source: str, steps: int, engine: str) -> None:
    assert llmspell.run_sync(source, engine=engine).usage.steps == steps


def test_nothing_breaks_out_of_the_function_around_a_program() -> None:
    for source in ("end", "end do", "end return function() end", ") (", "until", "]]", "else"):
        with pytest.raises(ScriptSyntaxError):
            run(source, "lua54")


# The same meaning. --------------------------------------------------------------------------------

BOTH = [
    "return {1 + 2, 7 % 3, -7 % 3, 2 ^ 10, 7 / 2, 'a' .. 1}",
    "local s = 0 for i = 1, 100 do s = s + i end return s",
    "local s = 0 for i = 10, 1, -3 do s = s * 10 + i end return s",
    "local s = '' for i = 1, 0 do s = s .. i end return s",
    "local t = {} for i = 1, 3 do for j = 1, 3 do if j == 2 then break end "
    "t[#t + 1] = i * j end end return t",
    "local n = 0 while true do n = n + 1 if n > 5 then break end end return n",
    "local n = 0 repeat local done = n >= 3 n = n + 1 until done return n",
    "local t = {} for i = 1, 5 do if i % 2 == 0 then goto continue end t[#t + 1] = i "
    "::continue:: end return t",
    "local i = 1 ::top:: if i < 5 then i = i + 1 goto top end return i",
    "for i = 1, 3 do for j = 1, 3 do if i * j == 4 then goto out end end end do return 'none' end "
    "::out:: return 'found'",
    "do goto x end ::x:: return 1",
    "local i = 0 repeat i = i + 1 if i == 2 then goto continue end ::continue:: until i == 3 "
    "return i",
    "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end "
    "return fib(15)",
    "local function loop(n) if n == 0 then return 'done' end return loop(n - 1) end "
    "return loop(10000)",
    "local function even(n) local odd if n == 0 then return true end function odd(n) "
    "if n == 0 then return false end return even(n - 1) end return odd(n - 1) end "
    "return {even(10), even(7)}",
    "local function f(...) return select('#', ...) end return {f(), f(nil), f(nil, nil)}",
    "local function f(...) local a, b = ... return {b, a} end return f(1, 2)",
    "return select('#', ...)",
    "local t = {} for i = 1, 3 do local n = i t[i] = function() n = n + 1 return n end end "
    "return {t[1](), t[1](), t[2](), t[3]()}",
    "local function counter() local n = 0 return function() n = n + 1 return n end end "
    "local a, b = counter(), counter() return {a(), a(), b()}",
    "local o = {n = 1} function o:add(k) self.n = self.n + k return self end "
    "return o:add(2):add(3).n",
    "local a = {b = {c = {}}} function a.b.c.f(x) return x * 2 end return a.b.c.f(21)",
    "local A = {} A.__index = A function A.new(x) return setmetatable({x = x}, A) end "
    "function A:get() return self.x end return A.new(5):get()",
    "local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}) return t.x",
    "local t = setmetatable({}, {__call = function(_, a) return a + 1 end}) return t(1)",
    "local m = {__add = function(a, b) return a.v + b.v end} local function n(v) "
    "return setmetatable({v = v}, m) end return n(1) + n(2)",
    "local m = {__lt = function(a, b) return a.v < b.v end} local function n(v) "
    "return setmetatable({v = v}, m) end return {n(1) < n(2), n(2) < n(1)}",
    "local m = {__concat = function(a, b) return 'c' end} return setmetatable({}, m) .. 'x'",
    "local t = {5, 3, 1, 4} table.sort(t) return t",
    "local t = {5, 3, 1, 4} table.sort(t, function(a, b) return a > b end) return t",
    "return (('hello'):gsub('l', function(c) return c:upper() end))",
    "local t = {} for w in ('do end goto'):gmatch('%a+') do t[#t + 1] = w end return t",
    "local t = {} for k, v in pairs({a = 1, b = 2}) do t[#t + 1] = k .. v end table.sort(t) "
    "return t",
    "local t = {} for i, v in ipairs({'a', 'b', nil, 'd'}) do t[i] = v end return t",
    "local function range(n) local i = 0 return function() i = i + 1 if i <= n then return i end "
    "end end local s = 0 for i in range(4) do s = s + i end return s",
    "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) "
    "return coroutine.yield(b * 2) end) return {co(1), co(5), co('end')}",
    "local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end "
    "end) end local s = 0 for v in gen(4) do s = s + v end return s",
    "local co = coroutine.create(function() error('x', 0) end) local ok, why = "
    "coroutine.resume(co) return {ok, why, coroutine.status(co)}",
    "local co = coroutine.create(function() return 1 end) coroutine.resume(co) "
    "return {coroutine.resume(co)}",
    "local ok, why = pcall(function() error('boom') end) return {ok, why}",
    "local ok, why = pcall(function()\n\nlocal x = nil\nreturn x.y end) return {ok, why}",
    "local ok, why = pcall(function()\nreturn 1 + {} end) return {ok, why}",
    "local ok, why = pcall(function()\nundefined() end) return {ok, why}",
    "local ok, why = pcall(error, {code = 5}) return {ok, why.code}",
    "local ok, why = pcall(error) return {ok, why == nil}",
    "local ok, why = pcall(function() error('deep', 2) end) return ok",
    "return {xpcall(function() error('x', 0) end, function(m) return m .. '!' end)}",
    "local function f() error('one') end local function g() local ok, e = pcall(f) error(e, 0) end "
    "return {pcall(g)}",
    "local ok, why = pcall(function() for i = 1, 10 do if i == 5 then error(i) end end end) "
    "return why",
    "return {load('return 1 + 1')(), load('syntax error here') == nil}",
    "return {load('local a, b = ... return a * b')(6, 7)}",
    "local f = load('for i = 1, 3 do x = (x or 0) + i end return x') return {f(), f()}",
    "return {[[do]], 'repeat', \"function\", [=[goto]=], #[[\nx]]}",
    "local x = --[[ do ]] 1 -- do\nreturn x --[==[ end ]==]",
    "local t = {'do', ['while'] = 'repeat'} return {t[1], t['while']}",
    "return {#'\\65\\066\\x41', 'a\\z\n  b', '\\'do\\''}",
    "local t = {n = 0} for _ = 1, 3 do t.n = t.n + 1 end return t",
    "if nil then return 1 elseif false then return 2 else return 3 end",
    "return (function(...) local s = 0 for _, v in ipairs({...}) do s = s + v end return s end)"
    "(1, 2, 3)",
    "local s = '' for i = 1, 3 do local i = i * 2 s = s .. i end return s",
    "return {tostring(nil), tostring(1.5), tonumber('0x10'), tonumber('z', 36), tonumber('1e1')}",
    "return {math.max(1, 5, 3), math.floor(-1.5), math.huge > 1, ('x'):rep(3, ',')}",
    "return {string.format('%5.2f|%-5d|%s|%q', 1.234, 42, 'x', 'a\\nb')}",
    "return {next({}) == nil, type(next), rawequal('a', 'a'), rawget({5}, 1), not nil}",
    "local t = {1, 2, 3} table.insert(t, 2, 'x') table.remove(t, 1) return table.concat(t, '-')",
    "return ('x'):rep(3) .. ('abc'):sub(-2) .. ('abc'):byte(1) .. ('%d'):format(3)",
]
"""Programs that mean the same in every Lua."""

ONLY_PUC = [
    "return {7 // 2, -7 // 2, 7 & 3, 7 | 8, 5 ~ 1, 1 << 4, 256 >> 4, ~0, 3 // 2.0}",
    "return {math.type(1), math.type(1.0), 1 == 1.0, 10 // 3 * 3 + 10 % 3}",
    "return {math.maxinteger + 1 == math.mininteger, 1e15, 2^53}",
    "local log = {} do local x <close> = setmetatable({}, {__close = function() "
    "log[#log + 1] = 'closed' end}) log[1] = 'open' end return log",
    "local log = {} for i = 1, 2 do local x <close> = setmetatable({}, {__close = function() "
    "log[#log + 1] = i end}) if i == 2 then break end end return log",
    "local a <const> = 5 local function f() return a end return f()",
    "return {utf8.char(228, 8364), utf8.len('äö'), #'\\u{20AC}'}",
    "return {string.pack('<i4', 7):byte(1, -1)}",
    "return {table.unpack({1, 2, 3}, 2)}",
    "local t = table.move({1, 2, 3}, 2, 3, 1) return t",
    "goto a; ::b:: do return 'b' end; ::a:: goto b",
    "local _ENV = {x = 5} for i = 1, 2 do x = x + i end return x",
    "local _ENV <const> = {x = 5} local function f() return x end return f()",
    "for i = math.maxinteger - 1, math.maxinteger do end return 'ended'",
]
"""Programs of Lua 5.4 and 5.5."""

ONLY_JIT = [
    "local goto = 1 return goto",
    "local goto = 5 goto = goto + 1 return goto",
    "local function goto(n) return n * 2 end return goto(4)",
    "local t = {goto = 1} t.goto = t.goto + 1 return {t.goto, t['goto']}",
    "local goto = {1, 2} return goto [2]",
    "local i = 0 while i < 3 do i = i + 1 if i == 2 then goto continue end ::continue:: end "
    "return i",
    # A name before a word is a name still.
    "local goto = 2 if goto then return goto end",
    "local goto = 2 return goto and 5",
    "local goto = 3 local x = goto\nlocal y = 1 return x + y",
    "local t = {goto = 1} local y = t.goto\nlocal z = 2 return y + z",
    "local goto = 3 local x = goto -- a comment\nreturn x",
    "local goto = 3 local x = 1 + goto x = x + 1 return x",
]
"""Programs of LuaJIT, where `goto` is a name unless a label follows."""

PROGRAMS = [(engine, source) for engine in MODULES for source in BOTH]
PROGRAMS += [(engine, source) for engine in ("lua54", "lua55") for source in ONLY_PUC]
PROGRAMS += [("luajit", source) for source in ONLY_JIT]


@pytest.mark.parametrize(("engine", "source"), PROGRAMS)
def test_a_program_means_what_it_means_in_plain_lua(engine: str, source: str) -> None:
    assert run(source, engine) == plain(source, engine)


@pytest.mark.parametrize("engine", MODULES)
@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("error('x')", 1),
        ("\n\nerror('x')", 3),
        ("for i = 1, 2 do\n  error('x')\nend", 2),
        ("local function f()\n  error('x')\nend\n\nf()", 2),
        ("#!/usr/bin/llmspell\nerror('x')", 2),
        ("local s = [[\n\n]] repeat\nerror('x') until true", 4),
        ("local function f( -- )\n a)\n\n  error('x') end f()", 4),
        ("--[[\n\n]] goto x ::x::\nerror('x')", 4),
        ("local s = 'a\\\nb'\nerror('x')", 3),
    ],
)
def test_errors_name_the_line_of_the_author(source: str, line: int, engine: str) -> None:
    with pytest.raises(ScriptRuntimeError) as caught:
        run(source, engine)
    assert (caught.value.message, caught.value.line) == ("x", line)


@pytest.mark.parametrize("engine", MODULES)
@pytest.mark.parametrize("source", ["do", "x = = 1", "for i = 1 do end", "goto nowhere", "\nx = '"])
def test_messages_about_syntax_are_luas_own(source: str, engine: str) -> None:
    lupa = importlib.import_module(f"lupa.{MODULES[engine]}")
    with pytest.raises(lupa.LuaError) as theirs:
        lupa.LuaRuntime(encoding="utf-8").compile(source, name="=spell")
    with pytest.raises(ScriptSyntaxError) as ours:
        run(source, engine)
    wanted = re.sub(r"^error loading code: ", "", str(theirs.value))
    assert str(ours.value) == wanted


# Programs nobody thought of. ----------------------------------------------------------------------

HEAD = """local out, budget, a, b, c = {}, 200, 1, 2, 3
local function note(x) if #out < 300 then out[#out + 1] = x end end
"""
TAIL = "\nreturn {out, a, b, c}"

variables = st.sampled_from(["a", "b", "c"])
blanks = st.sampled_from(
    [" ", "\n", "  ", " --[[ do repeat function( goto ]] ", " -- while true do\n", "\r\n", ";"]
)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    left, right = draw(variables), draw(variables | st.integers(0, 9).map(str))
    return f"({left} {draw(st.sampled_from('+-*'))} {right}) % 100"


@st.composite
def conditions(draw: st.DrawFn) -> str:
    test = st.sampled_from(["<", ">", "==", "~=", "<=", ">="])
    return f"{draw(expressions())} {draw(test)} {draw(variables)}"


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0, loop: bool = False) -> str:
    count = draw(st.integers(1, 3))
    parts = [draw(statements(depth, loop)) for _ in range(count)]
    return "".join(part + draw(blanks) for part in parts)


@st.composite
def statements(draw: st.DrawFn, depth: int, loop: bool) -> str:
    simple = ["assign", "note", "text", *(["break"] if loop else [])]
    deep = ["if", "for", "while", "repeat", "do", "function", "closure", "each", "pcall",
            "coroutine", "continue", "jump"]  # fmt: skip
    kind = draw(st.sampled_from(simple if depth > 2 else simple + deep))
    name, value, test = draw(variables), draw(expressions()), draw(conditions())
    inner, looped = blocks(depth + 1, loop), blocks(depth + 1, True)
    apart, sep = blocks(depth + 1, False), draw(blanks.filter(lambda blank: blank != ";"))
    label = f"l{depth}"  # blocks inside one another must not use the same
    match kind:
        case "assign":
            return f"{name}{sep}={sep}{value}"
        case "note":
            return f"note({value})"
        case "text":
            return draw(
                st.sampled_from(
                    [
                        "note('do end')",
                        "note([[ repeat\nuntil ]])",
                        'note("\\"goto x")',
                        "note(0xd0)",
                    ]
                )
            )
        case "break":
            return f"if {test} then break end"
        case "if":
            return f"if {test} then{sep}{draw(inner)} else{sep}{draw(inner)} end"
        case "do":
            return f"do{sep}{draw(inner)} end"
        case "for":
            return f"for i = {draw(st.integers(0, 4))}, 5 do{sep}a = a + i {draw(looped)} end"
        case "each":
            return (
                f"for k, v in ipairs({{5, a, 7}}) do{sep}b = (b + v * k) % 100 {draw(looped)} end"
            )
        case "while":
            return f"while {test} and budget > 0 do{sep}budget = budget - 1 {draw(looped)} end"
        case "repeat":
            return f"repeat{sep}budget = budget - 1 {draw(looped)} until {test} or budget < 0"
        case "continue":
            body = f"if {test} then goto {label} end {draw(looped)}"
            return f"for i = 1, 4 do{sep}do {body} end note(i)::{label}:: end"
        case "jump":
            body = f"budget = budget - 1 do {draw(apart)} end"
            return f"do ::{label}:: {body} if {test} and budget > 0 then goto{sep}{label} end end"
        case "function":
            return (
                f"do local function f{sep}(x,{sep}...) {draw(apart)} return x + select('#', ...) "
                f"end {name} = f({value}, a) % 100 end"
            )
        case "closure":
            return f"{name} = (function(){sep}{draw(apart)} return {value} end)()"
        case "pcall":
            return f"note(select(2, pcall(function(){sep}{draw(apart)} error({value}, 0) end)))"
    return (
        f"for v in coroutine.wrap(function(){sep}{draw(apart)} coroutine.yield({value}) end) do "
        f"note(v) {draw(looped)} end"
    )


@pytest.mark.parametrize("engine", MODULES)
@settings(max_examples=24, deadline=None, database=None)
@given(program=blocks())
def test_generated_programs_mean_what_they_mean_in_plain_lua(engine: str, program: str) -> None:
    source = HEAD + program + TAIL
    assert run(source, engine, steps=10**7) == plain(source, engine)


@settings(max_examples=24, deadline=None, database=None)
@given(program=blocks())
def test_generated_programs_keep_their_lines(program: str) -> None:
    assert rewrite(program).code.count("\n") == program.count("\n") + 1
    assert body(program).replace("@", "") == program
