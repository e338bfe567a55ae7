"""Sandboxes: the lists are complete, each holds in every child, and errors name it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

import llmspell
from llmspell.engines.sandbox import SANDBOXES, library, sandbox
from llmspell.errors import ConfigError, ScriptRuntimeError, UsageError
from llmspell.host.settings import Settings
from llmspell.runtime.catalogue import signatures

ENGINES = ("lua54", "lua55", "luajit")
ISOLATIONS = ("none", "process")

NAMES = """
local found = {}
for k, v in pairs(_G) do
  if not params.known[k] then
    found[#found + 1] = k
    if type(v) == "table" and k ~= "_G" and k ~= "null" then
      for member in pairs(v) do found[#found + 1] = k .. "." .. member end
    end
  end
end
return found
"""


def capabilities() -> dict[str, bool]:
    names = {name.partition(".")[0] for name in signatures()}
    return dict.fromkeys(
        [*names, "params", *(s.alias for s in signatures().values() if s.alias)], True
    )


def attempt(source: str, wanted: Any, engine: str = "lua54", isolation: str = "none") -> Any:
    session = llmspell.Session(engine=engine, isolation=isolation, sandbox=wanted)
    return session.attempt_sync(source)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_list_has_every_name_an_engine_offers(engine: str) -> None:
    known = capabilities()
    result = llmspell.run_sync(NAMES, params={"known": known}, engine=engine)
    whole = sandbox("lua", ("minimal",)).allowed
    assert set(result.value) <= whole
    missing = whole - set(result.value)
    # Each version of Lua lacks a few that others have.
    assert {name.partition(".")[0] for name in missing} <= {
        "math",
        "string",
        "table",
        "utf8",
        "coroutine",
    }


def test_no_name_is_listed_that_no_engine_has() -> None:
    known = capabilities()
    offered = set()
    for engine in ENGINES:
        offered |= set(llmspell.run_sync(NAMES, params={"known": known}, engine=engine).value)
    assert offered == sandbox("lua", ("minimal",)).allowed


def test_every_name_has_a_sandbox_and_a_reason() -> None:
    for name, entry in library("lua").items():
        assert entry.sandbox in SANDBOXES, name
        assert len(entry.reason) > 5, name


def test_the_named_ones_are_each_part_of_the_wider() -> None:
    minimal, standard, strict = (sandbox("lua", (name,)).allowed for name in SANDBOXES)
    assert strict < standard < minimal
    assert not {"load", "loadstring", "collectgarbage", "debug"} & standard
    assert not {"os", "setmetatable", "require", "rawset", "_G", "string.gsub"} & strict


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["standard", "strict"])
def test_exactly_what_is_allowed_is_there(engine: str, isolation: str, name: str) -> None:
    seen = llmspell.run_sync(NAMES, params={"known": capabilities()}, engine=engine).value
    allowed = sandbox("lua", (name,)).allowed
    checks = []
    for found in sorted(seen):
        space, _, member = found.partition(".")
        checks.append(
            f'{{"{found}", {space} ~= nil' + (f" and {space}.{member} ~= nil}}" if member else "}")
        )
    result = attempt(f"return {{{','.join(checks)}}}", name, engine, isolation)
    assert result.error is None
    assert {n for n, there in result.value if there} == set(seen) & allowed


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("local f = load('return 1')", "load is"),
        ("return ('a'):gsub('a', 'b')", "string.gsub is"),
        ("return string.gsub('a', 'a', 'b')", "string.gsub is"),
        ("return os.time()", "os is"),
    ],
)
def test_an_error_names_the_sandbox(engine: str, isolation: str, source: str, name: str) -> None:
    error = attempt(source, "strict", engine, isolation).error
    assert isinstance(error, ScriptRuntimeError)
    assert error.message.endswith(f"{name} not part of the sandbox strict")
    assert error.line == 1


def test_a_mistake_of_the_script_is_not_put_on_the_sandbox() -> None:
    error = attempt("nothing()", "strict").error
    assert "sandbox" not in error.message


CHILDREN = {
    "a task": "return await(async(function() return load == nil end))",
    "a task in the background": "return await(spawn(function() return load == nil end))",
    "parallel": "return parallel({ function() return load == nil end })[1]",
    "a coroutine": "return coroutine.wrap(function() return load == nil end)()",
    "a callback": "local f table.sort({ 1, 2 }, function() f = load == nil end) return f",
    "a handler": "local _, f = xpcall(error, function() return load == nil end) return f",
    "a promise": "return promise.resolve(1):next(function() return load == nil end):await()",
    "a module": "return require('child')",
    "a method": "return ('').gsub == nil and ('').rep ~= nil",
    "a tool": "tools.register('spy', 'd', {}, function() return load == nil end)"
    " return tools.execute('spy', {})",
    "a warning": "function on_resource_warning() f = load == nil end"
    " for i = 1, 100 do time.now() end return f",
}  # fmt: skip


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("child", CHILDREN)
def test_children_have_the_same_sandbox(child: str, isolation: str) -> None:
    def told(wanted: Any) -> Any:
        session = llmspell.Session(
            isolation=isolation,
            sandbox=wanted,
            limits={"calls": 105},
            modules={"child": "return load == nil"},
        )
        result = session.attempt_sync(CHILDREN[child])
        assert result.error is None, result.error
        return result.value

    assert told(["strict", "require"]) is True
    assert told("minimal") is False


LOADED = {
    "load": "return load('return os == nil')()",
    "a reader": "local n = 0 return load(function() n = n + 1"
    " if n == 1 then return 'return os == nil' end end)()",
}


@pytest.mark.parametrize("how", LOADED)
def test_loaded_text_has_the_same_sandbox(how: str) -> None:
    result = attempt(LOADED[how], ["strict", "load"])
    assert (result.error, result.value) == (None, True)


def test_a_list_of_ones_own() -> None:
    result = attempt("return { ('x'):rep(2), math.floor(2.5), print == nil, math.ceil == nil }",
                     ["string.*", "math.floor"])  # fmt: skip
    assert result.value == ["xx", 2, True, True]


def test_capabilities_are_not_a_matter_of_sandboxes() -> None:
    assert attempt("return json.decode('[1]')[1]", ["math.floor"]).value == 1


def test_every_run_of_a_session_has_it() -> None:
    async def both() -> list[Any]:
        async with llmspell.Session(sandbox="strict", pool={"min": 1}) as session:
            await asyncio.sleep(0.05)
            return [(await session.run("return load")).value for _ in range(3)]

    assert asyncio.run(both()) == [None] * 3


@pytest.mark.parametrize(
    ("wanted", "close"),
    [
        ("strickt", "strict"),
        (["string.*", "math.flor"], "math.floor"),
        (["sting.*"], r"string\.\*"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(wanted: Any, close: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean {close}"):
        attempt("return 1", wanted)


def test_settings_name_one_and_a_local_file_cannot_widen_the_users(tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    (home / "llmspell").mkdir(parents=True)
    here.mkdir()
    (here / "llmspell.toml").write_text('sandbox = ["minimal"]\n[limits]\nprofile = "relaxed"\n')
    environ = {**os.environ, "XDG_CONFIG_HOME": str(home)}
    assert Settings.load(environ, here).sandbox == ("minimal",)
    (home / "llmspell" / "config.toml").write_text(
        'sandbox = ["strict"]\n[limits]\nprofile = "strict"\n'
    )
    settings = Settings.load(environ, here)
    assert settings.sandbox == ("strict",)
    assert settings.limits["time"] == 5.0
    assert settings.limits["steps"] == 10**6
    session = llmspell.Session(settings=settings)
    assert session.run_sync("return load").value is None
    (here / "llmspell.toml").write_text("sandbox = [1]\n")
    with pytest.raises(ConfigError, match="list of strings"):
        Settings.load(environ, here)
