"""Functions of the program that fail while a spell runs: who is told what."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import llmspell
from llmspell import HostFailure, Session
from llmspell.host.settings import Settings

ISOLATIONS = ("none", "process")


class Gone(Exception):
    """Whoever listened has gone."""


def leave(*told: Any) -> None:
    """A callback whose listener has gone."""
    raise Gone


BUSY = "for i = 1, 1e9 do end"

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "output": ("output", "print('a') for i = 1, 3 do sleep(0.01) print('b') end", {}),
    "output of a function that the host calls": (
        "output",
        "tools.register('t', 'T.', {}, function() print('a') end) pcall(tools.execute, 't', {})",
        {},
    ),
    "on_call at once": ("on_call", "json.encode({1})", {}),
    "on_call later": ("on_call", "sleep(0.01)", {}),
    "on_warning of steps": ("on_warning", BUSY, {"steps": 1_000_000}),
    "on_warning of time that is slept": ("on_warning", "sleep(5)", {"time": 0.3, "warn": 0.1}),
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("case", CASES)
def test_what_a_callback_raises_ends_the_run_and_is_raised(case: str, isolation: str) -> None:
    callback, source, limits = CASES[case]
    astray: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: astray.append(told))
        given: dict[str, Any] = {callback: leave}
        async with Session(isolation=isolation, settings=Settings(), **given) as session:
            with pytest.raises(Gone):
                await session.attempt(f"{source} return 1", limits=limits)
            assert (await session.run("return 2")).value == 2

    asyncio.run(main())
    assert astray == []


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_a_callback_raises_is_raised_without_an_event_loop(isolation: str) -> None:
    with pytest.raises(Gone):
        Session(isolation=isolation, output=leave).run_sync("print('a') return 1")


@pytest.mark.parametrize("level", ["trusted", "untrusted"])
def test_a_reader_that_stops_reading_ends_the_command(level: str, tmp_path: Path) -> None:
    (tmp_path / "long.lua").write_text(
        'for i = 1, 50 do print(("x"):rep(20000)) sleep(0.02) end', encoding="utf-8"
    )
    command = [sys.executable, "-m", "llmspell", "run", "--level", level, "long.lua"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(5) == b"xxxxx"
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(20), told) == (141, b"")


def test_a_hook_or_a_log_of_the_program_that_fails_is_not_a_fault_of_llmspell() -> None:
    model = {"settings": Settings(), "model": "test/offline"}
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "before_generate of the hook h": (
            "llm.generate('x')",
            {"hooks": {"h": {"before_generate": leave}}},
        ),
        "after_tool_call of the hook h": (
            "tools.execute('calculator', {expression = '1'})",
            {"hooks": {"h": {"after_tool_call": leave}}},
        ),
        "log": ("log.info('x')", {"log": leave}),
    }
    for name, (source, given) in cases.items():
        with pytest.raises(HostFailure) as caught:
            Session(**model, **given).run_sync(source)
        assert caught.value.code == "host"
        assert f"{name} failed in the program that runs this spell (Gone)" in str(caught.value)
        assert caught.value.host_error is not None
        assert isinstance(caught.value.host_error.__cause__, Gone)


def test_a_hook_of_the_program_may_refuse_with_an_error_of_llmspell() -> None:
    def refuse(request: Any) -> None:
        raise HostFailure("not today", code="closed")

    session = Session(
        settings=Settings(), model="test/offline", hooks={"h": {"before_generate": refuse}}
    )
    with pytest.raises(HostFailure, match="not today") as caught:
        session.run_sync("llm.generate('x')")
    assert caught.value.code == "closed"


def test_the_limit_of_a_run_that_an_approval_makes_does_not_end_the_run_that_asks() -> None:
    async def approve(request: llmspell.ToolRequest) -> bool:
        await llmspell.run(BUSY, limits={"steps": 1000})
        return True

    async def main() -> Any:
        async with Session(tool_rules={"*": "ask"}, approve=approve) as session:
            source = (
                "local ok, e = pcall(tools.execute, 'calculator', {expression = '1'}) return e.code"
            )
            return (await session.run(source)).value

    assert asyncio.run(main()) == "host"


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("pool", [None, {"min": 1, "max": 2}], ids=["no pool", "a pool"])
def test_a_lifecycle_callback_that_fails_leaves_nothing_open(
    pool: dict[str, Any] | None, isolation: str
) -> None:
    astray: list[type[BaseException]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, told: astray.append(type(told["exception"]))
        )
        async with asyncio.timeout(20):
            async with Session(isolation=isolation, on_lifecycle=leave, pool=pool) as session:
                for _ in range(3):
                    assert (await session.run("return 1")).value == 1
                if session.pool is not None:
                    assert session.pool.metrics.active == 0
                    assert session.pool.metrics.health == 1

    asyncio.run(main())
    assert set(astray) == {Gone}


def test_what_a_callback_raises_inside_a_nested_spell_is_not_the_scripts(tmp_path: Path) -> None:
    (tmp_path / "inner.lua").write_text("json.encode({1})", encoding="utf-8")
    source = "pcall(spell.run, 'inner.lua') return 1"

    def leave_inner(record: llmspell.CallRecord) -> None:
        if record.name == "json.encode":
            raise Gone

    async def main() -> None:
        async with Session(folder=tmp_path, on_call=leave_inner) as session:
            with pytest.raises(Gone):
                await session.run(source)

    asyncio.run(main())


def test_calls_that_had_not_begun_are_ended_when_a_callback_raises() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with pytest.raises(Gone):
            Session(output=leave).run_sync("async(function() sleep(1) end) print('a')")
        gc.collect()
    assert [str(each.message) for each in found] == []
