"""The library as its users meet it: runs, sessions, what errors carry, and what stays secret."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import re
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

import llmspell
from llmspell import LlmspellError, Session
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing.servers import ModelServer

PATIENCE = 60.0
"""Seconds a test may wait: a bound against hanging, not a measurement."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def local(server: ModelServer) -> Settings:
    """Settings with the model server as the provider `local`."""
    return Settings(providers={"local": ProviderSettings("openai_compatible", f"{server.url}/v1")})


def run(source: Any, params: Any = None, **options: Any) -> llmspell.Result:
    return llmspell.run_sync(source, params, **options)


def failure(source: Any, params: Any = None, **options: Any) -> LlmspellError:
    with pytest.raises(LlmspellError) as caught:
        run(source, params, **options)
    return caught.value


def soon(work: Any) -> Any:
    """Runs a coroutine to its end, but not for ever."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, PATIENCE)

    return asyncio.run(bounded())


# One run.


def test_a_result_has_all_that_came_of_a_run() -> None:
    result = run("print('said', params.n) time.now() return {n = params.n * 6}", {"n": 7})
    assert result.value == {"n": 42}
    assert result.output == "said\t7\n"
    assert result.error is None
    assert repr(result) == f"Result(value={{'n': 42}}, calls=1, run_id={result.run_id!r})"
    assert [(call.name, call.error) for call in result.calls] == [("time.now", "")]
    assert result.calls[0].seconds >= 0
    usage = result.usage.as_dict()
    assert (usage["calls"], usage["output"], usage["model_calls"], usage["cost"]) == (1, 7, 0, 0.0)
    assert set(usage) == {
        *("seconds", "cpu", "steps", "memory", "output", "disk", "calls"),
        *("model_calls", "input_tokens", "output_tokens", "cost"),
    }
    assert usage["seconds"] > 0
    assert result.run_id != run("return 1").run_id
    assert {name for name in dir(result) if not name.startswith("_")} == {
        "as_dict",
        *("calls", "engine", "error", "isolation", "limits", "output", "run_id", "seed"),
        *("usage", "value"),
    }


def test_run_is_run_sync_for_programs_with_an_event_loop() -> None:
    async def main() -> None:
        result = await llmspell.run(
            "print(require('m')) sleep(0.001) return params.n",
            {"n": 1},
            modules={"m": "return 'from m'"},
            limits={"time": "60s"},
            engine="lua55",
            level="untrusted",
            allow=["llm:*"],
            model="test/offline",
        )
        assert (result.value, result.output) == (1, "from m\n")

    soon(main())


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -(2**63), 2**63 - 1, 1.5, -0.0, 1e300, "", "text", "grüße\n\0", b"\xff\0"),
        *([], {}, [1, [2, [3]]], {"a": {"b": [{}]}}, ["a", 1, 1.5, True, b"\xfe"], {"": 1}),
        *({"with space": 1}, ["null", "\\u0000bytes"], {"1": "text key"}, list(range(1000))),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_come_back_as_they_went(value: Any) -> None:
    came = run("return params.value", {"value": value}).value
    assert came == value
    assert type(came) is type(value)


def test_one_result_only_and_the_first_counts() -> None:
    assert run("return 1, 2").value == 1
    assert run("return nil, 2").value is None
    assert run("").value is None


class Odd:
    """Something no script language knows."""

    def __repr__(self) -> str:
        return "Odd()"


def circle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def nested(depth: int) -> list[Any]:
    return [] if depth == 0 else [nested(depth - 1)]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (Odd(), ("params.x",)),
        ({"y": [1, Odd()]}, ("params.x.y[2]",)),
        ({1, 2}, ("params.x",)),
        (print, ("params.x",)),
        (2**63, ("params.x",)),
        (float("nan"), ("params.x",)),
        (float("inf"), ("params.x",)),
        ("\ud800", ("params.x",)),
        ({1: 2}, ("params.x",)),
        ({"\0function": 1}, ("params.x",)),
        ({"\0handle": ["agent", 1]}, ("params.x",)),
        (circle(), ("params.x", "deep")),
        (nested(40), ("params.x", "deep")),
    ],
    ids=str,
)
def test_params_that_cannot_cross(value: Any, parts: tuple[str, ...]) -> None:
    error = failure("return 1", {"x": value})
    assert isinstance(error, llmspell.ParamError)
    assert (error.code, error.exit_code) == ("param", 10)
    for part in parts:
        assert part in error.message


def test_params_with_keys_that_cannot_cross() -> None:
    for params in ({1: 2}, {"\0x": 1}, {"\ud800": 1}):
        assert isinstance(failure("return 1", params), llmspell.ParamError)


def test_what_belongs_to_the_run_cannot_be_returned() -> None:
    for source in ("return print", "return {a = {function() end}}", "return agent.create()"):
        error = failure(source)
        assert isinstance(error, llmspell.ScriptRuntimeError)
        assert "ends with the run" in error.message


def test_paths_and_source_text(folder: Path) -> None:
    (folder / "spell.lua").write_text("return 'file ' .. tostring(params.n)")
    (folder / "pack").mkdir()
    (folder / "pack" / "main.lua").write_text("return 'main'")
    assert run("spell.lua", {"n": 1}).value == "file 1"
    assert run(folder / "spell.lua").value == "file nil"
    assert run(str(folder / "spell.lua")).value == "file nil"
    assert run(folder / "pack").value == "main"
    assert run("return 'text.lua'").value == "text.lua"
    assert run("return 1 -- spell.lua").value == 1
    for missing in ("nowhere.lua", Path("nowhere.lua"), Path("nowhere")):
        error = failure(missing)
        assert isinstance(error, llmspell.UsageError)
        assert "there is no file nowhere" in error.message


def test_modules() -> None:
    modules = {
        "greet": "local m = {} function m.hello(n) return 'hello ' .. n end return m",
        "deep.er": "return require('greet').hello('deep')",
        "bad": "\n\nerror('in here')",
        "broken": "return )",
    }
    assert run("return require('greet').hello('you')", modules=modules).value == "hello you"
    assert run("return require('deep.er')", modules=modules).value == "hello deep"
    error = failure("require('bad')", modules=modules)
    assert (error.file, error.line, error.source_line) == ("bad", 3, "error('in here')")
    assert failure("require('broken')", modules=modules).exit_code == 4
    absent = failure("require('absent')", modules=modules)
    assert isinstance(absent, llmspell.NotFound)


def test_modules_given_come_before_files(folder: Path) -> None:
    (folder / "m.lua").write_text("return 'file'")
    (folder / "spell.lua").write_text("return require('m')")
    assert run("spell.lua").value == "file"
    assert run("spell.lua", modules={"m": "return 'given'"}).value == "given"


def test_a_folder_is_where_relative_paths_start(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "note").write_text("noted")
    (folder / "out").write_text("secret")

    async def main() -> None:
        async with Session(folder=folder / "in") as session:
            assert (await session.run("return fs.read('note')")).value == "noted"
            with pytest.raises(llmspell.Denied):
                await session.run("fs.read('../out')")

    soon(main())


def test_levels_and_grants(folder: Path) -> None:
    (folder / "a").write_text("A")
    (folder / "b").write_text("B")
    read = "return fs.read(params.path)"
    assert run(read, {"path": "a"}).value == "A"
    assert isinstance(failure(read, {"path": "a"}, level="untrusted"), llmspell.Denied)
    given: dict[str, Any] = {"level": "untrusted", "allow": ["fs.read:./a"]}
    assert run(read, {"path": "a"}, **given).value == "A"
    assert isinstance(failure(read, {"path": "b"}, **given), llmspell.Denied)
    assert isinstance(failure(read, {"path": "a"}, allow=["!fs.read:a"]), llmspell.Denied)
    assert isinstance(failure(read, {"path": "/etc/hostname"}), llmspell.Denied)
    assert run(read, {"path": "/etc/passwd"}, level="privileged").value


# Errors.


@pytest.mark.parametrize(
    "given",
    [
        {"level": "root"},
        {"allow": ["everything"]},
        {"allow": [""]},
        {"engine": "cobol"},
        {"engine": "luajit", "level": "untrusted"},
        {"limits": {"stepz": 1}},
        {"limits": {"steps": "many"}},
        {"limits": {"steps": 0}},
        {"limits": {"steps": True}},
        {"limits": {"steps": [1]}},
        {"limits": {"time": float("nan")}},
        {"limits": {"steps": float("inf")}},
        {"limits": {"output": 0.5}},
        {"limits": {"depth": None}},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_usage_error(given: dict[str, Any]) -> None:
    error = failure("return 1", **given)
    assert isinstance(error, llmspell.UsageError)
    assert (error.code, error.exit_code) == ("usage", 2)
    assert error.message
    assert error.result is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"engine": 3}, "engine must be the name of an engine, or an engine, got int"),
        ({"allow": "fs.read:x"}, "allow must be a list of grants; write ['fs.read:x']"),
        ({"allow": [3]}, "a grant must be text, got int"),
        ({"limits": 5}, "limits must be a mapping or a profile, got int"),
        ({"functions": [print]}, "functions must be a mapping, got list"),
        ({"hooks": [1]}, "hooks must be a mapping, got list"),
        ({"hooks": {"a": 5}}, "hook a must be a mapping of functions, got int"),
        (
            {"hooks": {"a": {"before_generate": 5}}},
            "hook a: before_generate must be a function, got int",
        ),
        (
            {"hooks": {"a": {"before_generate": print, "priority": "x"}}},
            "hook a: priority must be an integer, got str",
        ),
        (
            {"hooks": {"a": {"priority": 1}}},
            "hook a must have one of before_generate, after_generate, before_tool_call, "
            "after_tool_call",
        ),
        ({"sandbox": 3}, "sandbox must be a name or a list of names, got int"),
        ({"features": 3}, "features must be a name or a list of names, got int"),
        ({"preload": 3}, "preload must be a name or a list of names, got int"),
        ({"folder": 5}, "folder must be a path, got int"),
        ({"record": 1}, "record must be a path, got int"),
        ({"replay": 1}, "replay must be a path, got int"),
        ({"cache": 3}, "cache must be a ChunkCache, got int"),
        ({"models": [1]}, "models must be a mapping, got list"),
        ({"model": 3}, "model must be text such as 'openai/gpt-6-luna', got int"),
        ({"modules": {"m": 3}}, "modules['m'] must be text, got int"),
        ({"tools": print}, "tools must be a list, got builtin_function_or_method"),
        ({"require": "seccomp"}, "require must be a list, got str"),
        ({"tenant": "acme"}, "tenant must be a Tenant, got str"),
        ({"settings": {}}, "settings must be a Settings, got dict"),
        ({"approve": True}, "approve must be a function, got bool"),
        ({"output": []}, "output must be a function, got list"),
        ({"pool": 3}, "pool must be a Pool or its numbers, got int"),
        ({"seed": "7"}, "seed must be an integer from 0 to 2147483647, got str"),
        ({"seed": True}, "seed must be an integer from 0 to 2147483647"),
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647"),
        ({"seed": 2**31}, "seed must be an integer from 0 to 2147483647"),
    ],
    ids=str,
)
def test_an_argument_of_the_wrong_kind_is_told_by_its_name(
    given: dict[str, Any], told: str
) -> None:
    with pytest.raises(llmspell.UsageError) as caught:
        Session(**given).run_sync("return 1")
    assert caught.value.message == told


@pytest.mark.parametrize("source", [42, None, b"return 1"], ids=str)
def test_what_is_no_spell_is_a_usage_error(source: Any) -> None:
    told = f"a spell must be text or a path, got {type(source).__name__}"
    assert failure(source).message == told
    assert failure("return 1", [1]).message == "params must be a mapping, got list"


@pytest.mark.parametrize(
    ("source", "cls", "code"),
    [
        ("x x", llmspell.ScriptSyntaxError, "syntax"),
        ("error('x')", llmspell.ScriptRuntimeError, "runtime"),
        ("error({1})", llmspell.ScriptRuntimeError, "runtime"),
        ("error()", llmspell.ScriptRuntimeError, "runtime"),
        ("fs.read(1, 2, 3)", llmspell.BadArgument, "bad_argument"),
        ("fs.read('/etc/passwd')", llmspell.Denied, "denied"),
        ("tools.get_info('nothing')", llmspell.NotFound, "not_found"),
        ("fs.read('missing')", llmspell.NotFound, "not_found"),
        ("fs.write('no/folder', 'x')", llmspell.NotFound, "not_found"),
        ("fs.read('.')", llmspell.FileFailure, "io"),
        ("llm.generate('x', {model = 'no/model'})", llmspell.ProviderFailure, "model_unknown"),
        ("while true do end", llmspell.StepLimit, "steps"),
        ("sleep(1000)", llmspell.TimeLimit, "time"),
        ("for i = 1, 1e9 do io.write('x') end", llmspell.OutputLimit, "output"),
        ("for i = 1, 1e9 do pcall(time.now) end", llmspell.CallLimit, "calls"),
        ("llm.generate(('word '):rep(9999))", llmspell.BudgetExceeded, "budget"),
    ],
)
def test_errors_have_a_class_a_code_and_a_result(
    source: str, cls: type[LlmspellError], code: str
) -> None:
    limits = {"steps": 100_000, "time": PATIENCE, "output": 50, "calls": 50, "tokens": 500}
    if cls is llmspell.TimeLimit:
        limits["time"] = 0.05
    error = failure(f"print('before')\n{source}", limits=limits)
    assert isinstance(error, cls), repr(error)
    assert error.code == code
    assert error.line == 2
    assert error.source_line == source
    assert str(error).startswith("spell:2: ")
    assert error.as_dict()["type"] == type(error).__name__
    json.dumps(error.as_dict())
    assert error.result.error is error
    assert error.result.value is None
    ran = cls is not llmspell.ScriptSyntaxError
    assert error.result.output.startswith("before\n" if ran else "")
    assert error.result.usage.seconds > 0


def test_an_error_carries_what_ran_before_it() -> None:
    error = failure("print('a') time.now() pcall(fs.read, '/etc/passwd') print('b') error('x')")
    assert error.result.output == "a\nb\n"
    assert [(call.name, call.error) for call in error.result.calls] == [
        ("time.now", ""),
        ("fs.read", "denied"),
    ]
    assert error.result.usage.calls == 2
    assert error.result.usage.output == 4


def test_attempt_gives_the_error_instead_of_raising_it() -> None:
    async def main() -> None:
        async with Session() as session:
            result = await session.attempt("print('a') error('x')")
            assert isinstance(result.error, llmspell.ScriptRuntimeError)
            assert (result.value, result.output) == (None, "a\n")
            assert (await session.attempt("return 1")).error is None

    soon(main())
    assert isinstance(Session().attempt_sync("error('x')").error, llmspell.ScriptRuntimeError)


def test_what_a_script_raised_is_kept() -> None:
    error = failure("error({code = 7, list = {1, 2}})")
    assert isinstance(error, llmspell.ScriptRuntimeError)
    assert error.value == {"code": 7, "list": [1, 2]}


# Sessions.


def test_many_runs_of_one_session_at_the_same_time() -> None:
    async def main() -> None:
        told: list[str] = []
        async with Session(output=told.append) as session:
            source = """
                print(params.n)
                if params.n % 10 == 3 then error("odd one") end
                sleep(0.01)
                if params.n % 10 == 4 then while true do end end
                leaked = (leaked or 0) + params.n
                return leaked
            """
            results = await asyncio.gather(
                *(session.attempt(source, {"n": n}, limits={"steps": 9999}) for n in range(50))
            )
        for n, result in enumerate(results):
            assert result.output == f"{n}\n"
            if n % 10 == 3:
                assert isinstance(result.error, llmspell.ScriptRuntimeError)
            elif n % 10 == 4:
                assert isinstance(result.error, llmspell.StepLimit)
            else:
                assert (result.error, result.value) == (None, n)
        assert sorted("".join(told).split()) == sorted(str(n) for n in range(50))
        assert len({result.run_id for result in results}) == 50

    soon(main())


def test_limits_of_a_run_replace_those_of_the_session() -> None:
    loop = "while true do end"

    async def main() -> None:
        async with Session(limits={"steps": 100, "time": "50s"}) as session:
            first = await session.attempt(loop)
            second = await session.attempt(loop, limits={"steps": 300})
            third = await session.attempt(loop, limits={"steps": None, "time": 0.5})
            again = await session.attempt(loop)
        told = [str(result.error and result.error.message) for result in (first, second, again)]
        assert ["100" in told[0], "300" in told[1], "100" in told[2]] == [True] * 3
        assert isinstance(third.error, llmspell.TimeLimit)
        assert third.usage.steps > 300

    soon(main())


def test_a_session_can_be_used_again_and_again(local: Settings) -> None:
    async def main() -> None:
        session = Session(settings=local, model="local/echo")
        for _ in range(2):  # also after it was closed
            async with session:
                assert (await session.run("seen = 1 return llm.generate('a')")).value == "echo: a"
                assert (await session.run("return seen")).value is None

    soon(main())


def test_run_sync_can_be_used_again_and_again(local: Settings) -> None:
    session = Session(settings=local, model="local/echo")
    for text in ("a", "b"):
        assert (
            session.run_sync("return llm.generate(params.t)", {"t": text}).value == f"echo: {text}"
        )
    assert session.run_sync("return 1").value == 1


def test_callbacks() -> None:
    printed: list[str] = []
    logged: list[tuple[Any, ...]] = []
    calls: list[str] = []
    session = Session(
        level="untrusted",
        output=printed.append,
        log=lambda *line: logged.append(line),
        on_call=lambda record: calls.append(record.name),
        stdin=io.StringIO("one\ntwo\n"),
    )
    result = session.run_sync("print(io.read()) io.write('x', 1) log.warn('w', {n = 1}) return 2")
    assert (result.value, result.output) == (2, "one\nx1")
    assert "".join(printed) == result.output
    assert logged == [("warn", "w", {"n": 1})]
    assert calls == ["io.read", "log.warn"]


def test_recording_and_replaying(folder: Path, local: Settings, server: ModelServer) -> None:
    source = "return {time.now(), llm.generate('hi', {model = 'local/echo'}), fs.read('note')}"
    (folder / "note").write_text("noted")
    first = Session(record="run.jsonl", settings=local).run_sync(source)
    (folder / "note").unlink()
    asked = server.count("/v1")
    second = Session(replay=folder / "run.jsonl").run_sync(source)
    assert second.value == first.value
    assert server.count("/v1") == asked
    with pytest.raises(llmspell.HostFailure, match="not in the recording"):
        Session(replay="run.jsonl").run_sync("return time.iso(0)")


def test_a_recording_goes_on_for_the_next_runs(folder: Path) -> None:
    session = Session(record="run.jsonl")
    assert (
        session.run_sync("return time.iso(0)").value == session.run_sync("return time.iso(0)").value
    )
    assert len((folder / "run.jsonl").read_text().splitlines()) == 2


def test_a_recording_that_cannot_be_written_is_a_usage_error() -> None:
    with pytest.raises(LlmspellError, match=r"no/folder/run\.jsonl"):
        Session(record="no/folder/run.jsonl")


# Nothing stays behind.


def open_files() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:  # the one that listed the folder
            continue
    return found


ENDINGS = {
    "value": "return llm.generate('x', {model = 'local/echo'})",
    "error": "llm.generate('x', {model = 'local/echo'}) error('x')",
    "stream left open": """
        local stream = llm.stream('a b c d', {model = 'local/echo'})
        return stream:next()
    """,
    "limit while waiting": "llm.generate('x', {model = 'local/slow-50000'})",
    "limit while busy": "async(function() llm.generate('x', {model = 'local/slow-50000'}) end) "
    "while true do end",
    "tasks": "parallel({function() sleep(999) end, function() error('x') end})",
    "web": "return http.get(params.url .. '/text').body",
    "limit in the web": "http.get(params.url .. '/slow?seconds=50')",
    "agent": "local a = agent.create({model = 'local/tools', tools = {'calculator'}}) "
    "return a:run('x').content",
    "files": "fs.write('f', 'x') return fs.read('f')",
}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_nothing_stays_open(local: Settings, server: ModelServer) -> None:
    host = server.url.removeprefix("http://")

    async def once(source: str) -> None:
        async with Session(settings=local, allow=[f"net:{host}"]) as session:
            limits = {"time": 0.2}
            for _ in range(2):
                await session.attempt(source, {"url": server.url}, limits=limits)
            task = asyncio.create_task(session.attempt(source, {"url": server.url}))
            await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await session.run("return 1")).value == 1

    async def main() -> None:
        await once("return llm.generate('x', {model = 'local/echo'})")  # what is opened only once
        for name, source in ENDINGS.items():
            before, threads = open_files(), threading.active_count()
            await once(source)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}, name
            gc.collect()
            end = asyncio.get_running_loop().time() + PATIENCE
            # The server closes its ends of the connections, in its own threads and this process.
            while server.open_connections and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.01)
            while open_files() - before and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.01)
            assert open_files() - before == set(), name
            assert threading.active_count() <= threads + 1, name  # one of the server's may linger

    asyncio.run(main())


def test_a_cancelled_run_is_over(local: Settings) -> None:
    async def main() -> None:
        said: list[str] = []
        async with Session(settings=local, output=said.append) as session:
            for source in ("while true do end", "sleep(1000)", "while true do sleep(0) end"):
                said.clear()
                looping = asyncio.create_task(session.run(f"print('go') {source}"))
                while not said:
                    await asyncio.sleep(0.001)
                looping.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await looping
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await session.run(source)

    soon(main())


def test_run_sync_inside_a_running_loop_says_what_to_use_instead() -> None:
    async def main() -> None:
        for source in ("return 1", "sleep(0.001) return 1"):
            for sync in (llmspell.run_sync, Session().run_sync, Session().attempt_sync):
                with pytest.raises(llmspell.UsageError, match=r"await run\(\)"):
                    sync(source)

    soon(main())
    gc.collect()  # a coroutine that was never awaited would warn here


def test_run_sync_in_many_threads(local: Settings) -> None:
    def work(n: int) -> Any:
        session = Session(settings=local, model="local/echo")
        source = "for i = 1, 2000 do end sleep(0.001) return llm.generate(tostring(params.n))"
        return session.run_sync(source, {"n": n}).value

    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(work, range(24), timeout=PATIENCE))
    assert values == [f"echo: {n}" for n in range(24)]


# Secrets.

KEY = "sk-marker-5Zr8QwLx2Vn7Tb4Kd9Yh3"
FILE_KEY = "sk-filemark-8Gj2PqRs6Uv1Wx5Zc4"
CUSTOM_KEY = "plain-marker-7Hn4MkLo9Ip2"
MARKS = ("5Zr8QwLx", "8Gj2PqRs", "7Hn4MkLo")
"""Parts of the keys: a message that shows this much of one shows too much."""


class Echo(BaseHTTPRequestHandler):
    """A provider that tells everybody the key it was asked with. The path says how."""

    def do_POST(self) -> None:
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.rfile.read(int(self.headers.get("content-length") or 0))
        _, how, *_ = self.path.split("/")
        message = f"Incorrect API key provided: {key}."
        status, kind = 401, "application/json"
        if how.isdigit():
            status = int(how)
        elif how.startswith("long"):  # so that the key crosses the end of what is quoted
            message = "x" * int(how.removeprefix("long")) + key
        body = json.dumps({"error": {"message": message, "type": key, "code": key}})
        if how == "text":
            body, kind = message, "text/plain"
        elif how == "broken":
            status, body = 200, f'{{"{key}": '
        elif how == "shape":
            status, body = 200, json.dumps({"choices": key})
        elif how == "content":
            answer = {"role": "assistant", "content": f"your key is {key}"}
            choice = {"index": 0, "finish_reason": "stop", "message": answer}
            given = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
            status, body = 200, json.dumps({**given, "choices": [choice]})
        elif how == "event":
            status, kind, body = 200, "text/event-stream", f"data: {body}\n\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Key", key)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


HOWS = ("content", "401", "400", "404", "429", "500", "text", "broken", "shape", "event",
        "long160", "long170", "long175", "long180")  # fmt: skip


def all_of(session_parts: Mapping[str, Any], result: llmspell.Result) -> str:
    """Everything a run left behind, as text."""
    kept = [repr(part) for part in session_parts.values()]
    kept += [repr(result.value), result.output, repr(result.calls), repr(result.usage)]
    error = result.error
    if error is not None:
        kept += [str(error), repr(error), repr(error.args), repr(vars(error)), str(error.as_dict())]
    return "\n".join(kept)


@pytest.fixture
def watched(
    folder: Path, monkeypatch: pytest.MonkeyPatch, echo: str
) -> Iterator[Callable[..., llmspell.Result]]:
    """Runs a spell with keys all around it, and looks for them in everything it leaves."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GATEWAY", CUSTOM_KEY)
    (folder / ".env").write_text(f"ANTHROPIC_API_KEY={FILE_KEY}\nHARMLESS=yes\n")
    (folder / "link").symlink_to(".env")
    (folder / "environ").symlink_to("/proc/self/environ")
    (folder / "sub").mkdir()
    (folder / "sub" / ".env").write_text(f"SUB_TOKEN={FILE_KEY}")
    providers = {
        f"echo{how}": ProviderSettings("openai_compatible", f"{echo}/{how}/v1", "OPENAI_API_KEY")
        for how in HOWS
    }
    providers["gateway"] = ProviderSettings("openai_compatible", f"{echo}/401/v1", "GATEWAY")
    settings = Settings(providers=providers)

    def watch(source: str, params: Any = None, **options: Any) -> llmspell.Result:
        parts: dict[str, list[Any]] = {"output": [], "log": [], "notes": [], "calls": []}
        session = Session(
            settings=settings,
            record="run.jsonl",
            output=parts["output"].append,
            log=lambda *line: parts["log"].append(line),
            notify=parts["notes"].append,
            on_call=parts["calls"].append,
            **options,
        )
        result = session.attempt_sync(source, params)
        kept = all_of(parts, result) + (folder / "run.jsonl").read_text() + repr(session)
        kept += repr(vars(session)) + repr(vars(session.services))
        for mark in MARKS:
            assert mark not in kept
        return result

    yield watch
    for mark in MARKS:  # nor may it be put into a file that can be read
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in (".env", "run.jsonl", "link", "environ"):
                assert mark not in path.read_text(errors="replace"), path


@pytest.mark.parametrize("level", ["trusted", "privileged"])
def test_secrets_cannot_be_read(watched: Callable[..., llmspell.Result], level: str) -> None:
    source = """
        local tried = {}
        local function try(what, f, ...)
            local ok, value = pcall(f, ...)
            tried[#tried + 1] = {what = what, ok = ok}
            if ok then print(what, value) else print(what, value, value.message, value.code) end
            log.info(what, {value = tostring(value)})
            return ok and value
        end
        for _, name in ipairs({"OPENAI_API_KEY", "openai_api_key", "ANTHROPIC_API_KEY", "GATEWAY",
                               "OPENAI_API_KEY ", "*KEY*", "SUB_TOKEN", "OPENAI_API_KEY\\0"}) do
            try("env " .. name, env.get, name)
            try("env " .. name, env.get, name, "default")
        end
        for _, path in ipairs({
            ".env", "./.env", "sub/../.env", "sub/.env", "link", "environ", ".env/", ".//.env",
            params.folder .. "/.env", "/proc/self/environ", "/proc/thread-self/environ",
            "/proc/" .. params.pid .. "/environ", "/proc/./self/environ", "/proc/self/../1/environ",
            "/dev/../proc/self/environ", "/proc/self/cwd/.env", "/proc/self/root/proc/self/environ",
            "/proc/self/mem", "/dev/fd/../environ", "/dev/stdin", "file://.env",
        }) do
            try("read " .. path, fs.read, path)
            try("bytes " .. path, fs.read_bytes, path)
            try("tool " .. path, tools.execute, "file_read", {path = path})
            local copy = {source = path, target = "copied"}
            try("copy " .. path, fs.copy, path, "copied")
            try("tool copy " .. path, tools.execute, "file_copy", copy)
            try("move " .. path, fs.move, path, "moved")
            try("tool move " .. path, tools.execute, "file_move", copy)
            try("read copied", fs.read, "copied")
            try("read moved", fs.read, "moved")
            try("http " .. path, http.get, "file://" .. path)
            try("require " .. path, require, path)
        end
        try("write", fs.write, ".env", "OPENAI_BASE_URL=http://127.0.0.1:1")
        try("append", fs.append, ".env", "X=1")
        try("list", fs.list, ".")
        local _, all = pcall(function() return json.encode(_G) end)
        print(all)
        for _, name in ipairs({"os", "io", "debug", "package"}) do
            local t = _G[name]
            for key, value in pairs(type(t) == "table" and t or {}) do
                if key == "getenv" then try("getenv", value, "OPENAI_API_KEY") end
                if ("open lines popen loadfile"):find(key) then try(key, value, ".env") end
            end
        end
        for _, model in ipairs(llm.models()) do print(model.name, json.encode(model)) end
        return {tried = tried, harmless = env.get("HARMLESS")}
    """
    params = {"folder": os.getcwd(), "pid": str(os.getpid())}
    result = watched(source, params, level=level)
    assert result.error is None, result.error
    assert result.value["harmless"] == "yes", ".env is read for what is no secret"
    assert {item["what"] for item in result.value["tried"] if item["ok"]} == {"list"}
    assert Path(".env").read_text() == f"ANTHROPIC_API_KEY={FILE_KEY}\nHARMLESS=yes\n"


ENDS = (
    "return said",
    "return {[said] = {said}}",
    "error(said)",
    "error({message = said})",
    "error({code = said, list = {said}})",
    "fs.read(said)",
    "require(said)",
)
"""How a spell may end with a text."""


@pytest.mark.parametrize("end", ENDS)
def test_no_sink_shows_a_key_the_spell_has_got(
    watched: Callable[..., llmspell.Result], end: str
) -> None:
    """Whatever it does with one: print, log, return or raise it, or put it into a call."""
    source = """
        local said = llm.generate("x", {model = "echocontent/m"})
        print(said) io.write(said, "\\n") log.warn(said, {[said] = {list = {said}}})
        pcall(fs.read, said) pcall(json.decode, said) tools.calculate("1 + 1")
        pcall(tools.execute, said, {[said] = said})
        print(said:match("key is (.+)") == params.key)
        """
    result = watched(source + end, {"key": KEY})
    assert result.output == "your key is ***\nyour key is ***\ntrue\n"
    if result.error is None:
        assert "***" in repr(result.value)
    else:
        assert "***" in f"{result.error}{getattr(result.error, 'value', '')}"


@pytest.mark.parametrize("how", [how for how in HOWS if how != "content"])
def test_a_provider_that_echoes_the_key(watched: Callable[..., llmspell.Result], how: str) -> None:
    caught = watched(
        """
        local ok, err = pcall(llm.generate, "x", {model = params.model})
        print(err, err.message, err.code) log.error(tostring(err))
        local ok, err = pcall(function()
            for piece in llm.stream("x", {model = params.model}) do print(piece) end
        end)
        print(err, tostring(err))
        local ok, err = pcall(function()
            local a = agent.create({model = params.model, tools = {"calculator"}})
            return a:run("x").content
        end)
        print(err, tostring(err))
        return {ok, err.message, json.encode(err.message)}
        """,
        {"model": f"echo{how}/m"},
    )
    assert caught.error is None, caught.error
    assert caught.value[0] is False
    uncaught = watched("llm.generate('x')", model=f"echo{how}/m")
    assert isinstance(uncaught.error, llmspell.ProviderFailure)


def test_a_key_of_a_variable_with_a_harmless_name(
    watched: Callable[..., llmspell.Result],
) -> None:
    error = watched("llm.generate('x', {model = 'gateway/m'})").error
    assert isinstance(error, llmspell.ProviderFailure)
    assert "check GATEWAY" in error.message
    assert isinstance(watched("return env.get('GATEWAY')").error, llmspell.Denied)


@pytest.mark.parametrize("how", ["401", "text", "broken", "shape", "long180"])
def test_tracebacks_of_an_error_hold_no_key(
    watched: Callable[..., llmspell.Result], how: str
) -> None:
    error = watched("llm.generate('x')", model=f"echo{how}/m").error
    assert error is not None
    text = "".join(traceback.format_exception(error))
    for mark in MARKS:
        assert mark not in text


def test_the_command_shows_no_key(cli: Command, echo: str) -> None:
    cli.configure(
        f"[providers.echo]\nkind = 'openai_compatible'\nbase_url = '{echo}/401/v1'\n"
        "api_key_env = 'OPENAI_API_KEY'\n"
    )
    cli.write(f"ANTHROPIC_API_KEY={FILE_KEY}", ".env")
    source = "pcall(env.get, 'OPENAI_API_KEY') pcall(fs.read, '.env')\nllm.generate('x')"
    flags = ("--model", "echo/m", "-v", "--json", "--debug", "--record", "run.jsonl")
    done = cli.spell(source, *flags, env={"OPENAI_API_KEY": KEY})
    assert done.code == 7, done.err
    for told in (done.out, done.err):
        assert re.search("echo refused the key: check OPENAI_API_KEY", told)
    recorded = (cli.folder / "run.jsonl").read_text()
    for mark in MARKS:
        assert mark not in done.out + done.err + recorded


def test_no_provider_is_asked_that_no_grant_names(
    monkeypatch: pytest.MonkeyPatch, server: ModelServer
) -> None:
    """Which models an Ollama has is asked of it, and is nothing for a spell that may not use it."""
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    before = server.count("/")
    for call in ("llm.generate('x', %s)", "llm.stream('x', %s)", "agent.create(%s)"):
        for model in ("ollama", "ollama/x", "nobody/x"):
            error = attempt(call % f"{{model = '{model}'}}", ["llm:openai/*"])
            assert isinstance(error, llmspell.Denied)
            assert error.message == f"no grant for llm:{model}; allow it with --allow llm:{model}"
    assert server.count("/") == before
    assert isinstance(attempt("llm.generate('x', {model = 'google/x'})", ["llm:gemini/*"]),
                      llmspell.ProviderFailure)  # fmt: skip


def test_a_provider_of_the_users_own_may_have_a_name_that_stands_for_another(
    server: ModelServer,
) -> None:
    own = Settings(providers={"google": ProviderSettings("openai_compatible", server.url + "/v1")})
    for call in ("llm.generate('x', %s)", "#llm.embed('x', %s)"):
        source = "return " + call % "{model = 'google/echo'}"
        for allow, good in (("llm:google/*", True), ("llm:gemini/*", False)):
            session = Session(level="untrusted", allow=[allow], settings=own)
            assert isinstance(session.attempt_sync(source).error, llmspell.Denied) is not good


def attempt(source: str, allow: list[str]) -> llmspell.LlmspellError | None:
    return Session(level="untrusted", allow=allow).attempt_sync(source).error


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_where_a_spell_runs_is_an_argument(isolation: str) -> None:
    result = llmspell.run_sync("return 1 + 1", isolation=isolation)
    assert (result.value, bool(result.isolation)) == (2, isolation == "process")
    assert asyncio.run(llmspell.run("return 2", isolation=isolation)).value == 2


def test_a_run_begins_while_another_thread_imports_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncio", types.ModuleType("asyncio"))  # not yet filled
    assert Session().run_sync("return 1").value == 1
