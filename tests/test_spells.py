"""Spells that spells run: within what the one that runs them has left, and gone with it."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

from llmspell import CallLimit, Denied, Pool, Session, StepLimit, Tenant, TimeLimit
from llmspell.errors import (
    BudgetExceeded,
    LimitExceeded,
    LlmspellError,
    MemoryLimit,
    NotFound,
    OutputLimit,
)
from llmspell.host.spells import InnerMeter, SpellLimits, bounded
from llmspell.limits import Limits, Meter, Usage
from llmspell.runtime.checkpoint import Checkpoint
from llmspell.testing import scripted

FILES = {
    "main.lua": "return spell.run(params.path, params.with, {limits = params.limits})",
    "catch.lua": """
        local ok, e = pcall(spell.run, params.path, {}, {limits = params.limits})
        return {ok, e.code, e.message}
    """,
    "loop.lua": "while true do end",
    "print.lua": "for _ = 1, 100 do print(('x'):rep(1000)) end",
    "calls.lua": "for _ = 1, 100 do time.now() end",
    "memory.lua": "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "ask.lua": "return llm.generate('hello')",
    "wait.lua": "sleep(600)",
    "sleep.lua": "sleep(params.s or 0.02) return params.s",
    "twice.lua": "return spell.run('calls.lua', {}, params.options or {}).usage.calls",
    "sub/inner.lua": "return require('near')",
    "sub/near.lua": "return 'near'",
    "sub/main.tengo": 'export "main of sub"',
    "above.lua": "return 'above'",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


Start = Callable[..., Any]


@pytest.fixture(params=["none", "process"])
def start(request: pytest.FixtureRequest, folder: Path) -> Start:
    def run(name: str, params: dict[str, Any] | None = None, **options: Any) -> Any:
        session = Session(isolation=request.param, folder=folder, **options)
        return session.run_sync(folder / name, params)

    return run


# Limits. ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "limits", "code"),
    [
        ("loop.lua", {"steps": 1000}, "steps"),
        ("loop.lua", {"time": 0.05}, "time"),
        ("loop.lua", {"cpu": 0.05}, "time"),
        ("print.lua", {"output": 500}, "output"),
        ("calls.lua", {"calls": 10}, "calls"),
        ("memory.lua", {"memory": 4_000_000}, "memory"),
        ("ask.lua", {"tokens": 1}, "budget"),
    ],
)
def test_a_limit_of_its_options_can_be_caught(
    start: Start, path: str, limits: dict[str, Any], code: str
) -> None:
    ok, told, message = start("catch.lua", {"path": path, "limits": limits}).value
    assert (ok, told) == (False, code)
    assert message.startswith(path)
    assert "that it was given" in message


@pytest.mark.parametrize(
    ("path", "limits", "error"),
    [
        ("loop.lua", {"steps": 20_000}, StepLimit),
        ("loop.lua", {"time": 0.5}, TimeLimit),
        ("loop.lua", {"cpu": 0.3}, TimeLimit),
        ("print.lua", {"output": 500}, OutputLimit),
        ("calls.lua", {"calls": 10}, CallLimit),
        ("memory.lua", {"memory": 4_000_000}, MemoryLimit),
        ("ask.lua", {"tokens": 1}, BudgetExceeded),
    ],
)
def test_a_limit_of_the_one_that_runs_it_ends_both(
    start: Start, path: str, limits: dict[str, Any], error: type[LimitExceeded]
) -> None:
    # It asks for more, which changes nothing.
    name = next(iter(limits))
    with pytest.raises(error) as caught:
        start("catch.lua", {"path": path, "limits": {name: 2**50}}, limits=limits)
    assert f"limit of {limits[name]}" in caught.value.message


def test_what_it_uses_is_charged_to_the_one_that_runs_it(folder: Path) -> None:
    models = {"m": scripted("hi")}
    session = Session(folder=folder, models=models, model="mock/m")
    used = session.run_sync(folder / "main.lua", {"path": "ask.lua"}).usage
    assert used.model_calls == 1
    assert used.input_tokens + used.output_tokens > 0
    assert used.calls == 2
    used = Session(folder=folder).run_sync(folder / "main.lua", {"path": "print.lua"}).usage
    assert used.output == 100 * 1001


def test_what_one_has_used_the_next_has_not(folder: Path) -> None:
    (folder / "many.lua").write_text("for _ = 1, 9 do pcall(spell.run, 'calls.lua') end")
    with pytest.raises(CallLimit):
        Session(folder=folder, limits={"calls": 350}).run_sync(folder / "many.lua")
    (folder / "busy.lua").write_text("for _ = 1, 30000 do end")
    (folder / "many.lua").write_text("for _ = 1, 9 do spell.run('busy.lua') end")
    with pytest.raises(StepLimit):
        Session(folder=folder, limits={"steps": 100_000}).run_sync(folder / "many.lua")


def test_a_limit_in_between_is_one_of_the_options_to_the_outermost(start: Start) -> None:
    # twice.lua is given 10 calls, and calls.lua inside it has no limits of its own.
    params = {"path": "twice.lua", "limits": {"calls": 10}}
    assert start("catch.lua", params).value[:2] == [False, "calls"]


class _Nest:
    steps = 100
    cpu = 0.5
    room = 128


def test_what_is_left_is_what_the_limits_say_less_what_was_used() -> None:
    meter = Meter(Limits(time=10.0, cpu=2.0, steps=1000, calls=50, tokens=10, memory=64))
    used = meter.usage
    used.seconds, used.cpu, used.steps, used.calls, used.input_tokens = 4.0, 1.0, 300, 50, 9
    wanted = SpellLimits(time=100.0, steps=599, cpu=0.2, memory=65)
    limits, own = bounded(meter, _Nest(), wanted)  # type: ignore[arg-type]
    assert (limits.time, limits.cpu, limits.steps, limits.memory) == (6.0, 0.2, 599, 64)
    assert (limits.calls, limits.tokens) == (1, 1)
    assert own == {"steps", "cpu"}


def test_what_is_set_aside_above_is_given_back() -> None:
    parent = Meter(Limits(tokens=100, memory=100))
    inner = InnerMeter(Limits(tokens=60, memory=100), parent, Usage())
    with pytest.raises(BudgetExceeded):
        inner.reserve(61, 0.0)
    assert (parent.reserved_tokens, inner.above) == (0, False)
    inner.reserve(50, 0.0).settle(10, 5, 0.0)
    assert (parent.reserved_tokens, parent.usage.input_tokens, inner.room()) == (0, 10, 45)
    parent.reserve(80, 0.0)
    with pytest.raises(BudgetExceeded):
        inner.reserve(30, 0.0)
    assert (inner.above, inner.reserved_tokens) == (True, 0)
    inner.hold(70)
    with pytest.raises(MemoryLimit):
        parent.hold(40)
    inner.end()
    assert parent.held_bytes == 40


# Nesting. -----------------------------------------------------------------------------------------


def test_no_more_than_64_run_at_the_same_time(folder: Path) -> None:
    (folder / "many.lua").write_text("""
        local jobs = {}
        for n = 1, 70 do
          jobs[n] = function()
            local ok, e = pcall(spell.run, 'sleep.lua', {s = 1})
            return ok and 'ok' or e.code
          end
        end
        local n = {}
        for _, r in ipairs(parallel(jobs)) do n[r] = (n[r] or 0) + 1 end
        return {n.ok, n.too_many, spell.run('sleep.lua').output}
    """)
    assert Session(folder=folder).run_sync(folder / "many.lua").value == [64, 6, ""]


def test_it_takes_no_place_of_a_pool(folder: Path) -> None:
    async def main() -> Any:
        async with Session(folder=folder, pool=Pool(min=0, max=1)) as session:
            run = session.run(folder / "main.lua", {"path": "above.lua"})
            return (await asyncio.wait_for(run, PATIENCE)).value["result"]

    assert asyncio.run(main()) == "above"


def test_it_is_a_run_of_the_tenant(folder: Path) -> None:
    tenant = Tenant("acme", runs=1)
    told = Session(folder=folder, tenant=tenant).run_sync(folder / "catch.lua", {"path": "above"})
    assert told.value[:2] == [False, "runs"]
    assert tenant.active == 0


# Grants and files. --------------------------------------------------------------------------------


def test_where_spells_are_found(start: Start) -> None:
    for path, result in {
        "above": "above",
        "sub/inner.lua": "near",
        "sub": "main of sub",
        "./sub/../above.lua": "above",
    }.items():
        # Beside the program no grant is needed, as for modules.
        assert start("main.lua", {"path": path}, allow=["!fs:./**"]).value["result"] == result


def test_elsewhere_a_grant_is_needed(folder: Path) -> None:
    program = folder / "sub" / "up.lua"
    program.write_text("return spell.run(params.path).result")
    for path in ("../above.lua", str(folder / "above.lua"), "../sub/../above"):
        with pytest.raises(Denied):
            Session(level="untrusted", folder=folder / "sub").run_sync(program, {"path": path})
    session = Session(level="untrusted", folder=folder, allow=["fs.read:./above.lua"])
    assert session.run_sync(program, {"path": "above.lua"}).value == "above"
    with pytest.raises(NotFound, match="there is no spell none"):
        Session(level="untrusted", folder=folder).run_sync(program, {"path": "none"})


def test_a_grant_for_a_spell_is_none_for_what_lies_beside_it(folder: Path) -> None:
    session = Session(level="untrusted", folder=folder, allow=["fs.read:./sub/inner.lua"])
    with pytest.raises(LlmspellError, match="near"):
        session.run_sync("return spell.run('sub/inner.lua').result")


def test_it_has_the_grants_of_the_session(start: Start, folder: Path) -> None:
    (folder / "reads.lua").write_text("return fs.read('/etc/hostname')")
    with pytest.raises(Denied, match=r"reads\.lua:1: no grant for fs\.read"):
        start("main.lua", {"path": "reads.lua"})


def test_a_sandbox_holds_inside_too(folder: Path) -> None:
    (folder / "wide.lua").write_text("return tostring(load) .. tostring(require)")
    session = Session(folder=folder, sandbox="strict")
    assert session.run_sync(folder / "main.lua", {"path": "wide.lua"}).value["result"] == "nilnil"


# Its end. -----------------------------------------------------------------------------------------


def test_what_it_prints_is_given_back_and_not_printed(folder: Path) -> None:
    printed: list[str] = []
    session = Session(folder=folder, output=printed.append)
    result = session.run_sync(folder / "main.lua", {"path": "print.lua"})
    assert (printed, result.output) == ([], "")
    assert len(result.value["output"]) == 100 * 1001


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_it_ends_with_the_one_that_runs_it(folder: Path, isolation: str) -> None:
    (folder / "waits.lua").write_text("return spell.run('main.lua', {path = 'wait.lua'})")

    async def main() -> None:
        async with Session(folder=folder, isolation=isolation) as session:
            before_it = asyncio.all_tasks()
            task = asyncio.create_task(session.run(folder / "waits.lua"))
            while len(running()) < 3:  # the program, and two inside it
                assert not task.done()
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == before_it
            assert session.memory == 0

    def running() -> list[Any]:
        name = "llmspell.runtime.driver"
        kind = sys.modules[name].Driver if name in sys.modules else ()
        return [o for o in gc.get_objects() if isinstance(o, kind) and o.result is None]

    gc.collect()
    before = len(running())
    assert before == 0
    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_task_that_is_cancelled_takes_it_along(folder: Path) -> None:
    (folder / "gives_up.lua").write_text("""
        local job = async(function() return spell.run('wait.lua') end)
        sleep(0.05)
        job:cancel()
        return 'done'
    """)
    assert Session(folder=folder).run_sync(folder / "gives_up.lua").value == "done"


def test_a_replay_runs_nothing(folder: Path) -> None:
    journal = folder / "journal"
    params = {"path": "twice.lua"}
    first = Session(folder=folder, record=journal).run_sync(folder / "main.lua", params)
    calls = [json.loads(line)["call"] for line in journal.read_text().splitlines()]
    assert calls == ["spell.run"]
    (folder / "twice.lua").unlink()
    again = Session(folder=folder, replay=journal).run_sync(folder / "main.lua", params)
    assert again.value == first.value
    assert again.value["result"] == 100


def test_a_tool_that_is_a_spell_is_replayed_without_its_file(folder: Path) -> None:
    (folder / "tool.lua").write_text("""
        local name = tools.from_spell('sub/inner.lua', {description = 'Near.'})
        return {name, tools.execute(name, {}), tools.get_info(name).origin}
    """)
    journal = folder / "journal"
    first = Session(folder=folder, record=journal).run_sync(folder / "tool.lua")
    (folder / "sub" / "inner.lua").unlink()
    again = Session(folder=folder, replay=journal).run_sync(folder / "tool.lua")
    assert first.value == again.value == ["inner", "near", "spell"]
    with pytest.raises(Denied, match="no grant for tool:inner"):
        Session(folder=folder, level="untrusted", allow=["tool:other"]).run_sync(
            folder / "tool.lua"
        )


def test_many_at_the_same_time_do_not_hold_many_times_the_memory(folder: Path) -> None:
    (folder / "hold.lua").write_text("""
        local size = 0
        local t = {}
        pcall(function() while true do t[#t + 1] = ('x'):rep(100000) .. #t sleep(0) end end)
    """)
    (folder / "many.lua").write_text("""
        local codes, jobs = {}, {}
        for n = 1, 16 do
          jobs[n] = function()
            local ok, e = pcall(spell.run, 'hold.lua', {}, {limits = {memory = 16000000}})
            codes[n] = e.code .. ' ' .. e.message:match('limit of (%d+)')
          end
        end
        parallel(jobs)
        return codes
    """)
    session = Session(folder=folder, limits={"memory": "64MB", "time": PATIENCE})
    given = []
    for told in session.run_sync(folder / "many.lua").value:
        code, size = told.split()
        assert code == "memory"
        given.append(int(size))
    assert given[:8] == [16_000_000] * 8
    assert given[8:] == [1_000_000] * 8


def test_one_alone_may_hold_as_much_as_the_one_that_runs_it() -> None:
    limits = Limits(memory=64)

    class Family(_Nest):
        room = 128

    def share(room: int, asked: int | None = None) -> tuple[int | None, bool]:
        nest = Family()
        nest.room = room
        found, own = bounded(Meter(limits), nest, SpellLimits(memory=asked))  # type: ignore[arg-type]
        return found.memory, "memory" in own

    assert share(128) == (64, False)
    assert share(64) == (32, True)
    assert share(64, 40) == (40, True)
    assert share(30, 40) == (15, True)
    assert share(0) == (1, True)


@pytest.mark.parametrize("inner", ["keeps", "chats"])
def test_what_a_nested_spell_held_is_given_back_once(inner: str, folder: Path) -> None:
    (folder / "chats.lua").write_text("""
        local long, chats = ('x'):rep(100000), {}
        for n = 1, 20 do chats[n] = llm.chat {system = long, model = 'test/offline'} end
    """)
    (folder / "keeps.lua").write_text("""
        local long = ('x'):rep(900000)
        for _ = 1, 30 do agent.create({system = long, model = 'test/offline'}) end
    """)
    (folder / "many.lua").write_text("""
        for _ = 1, params.runs do
          local limits = {memory = params.inner == 'keeps' and 8000000 or nil}
          local ok, e = pcall(spell.run, params.inner, {}, {limits = limits})
          assert(params.inner == 'chats' or e.code == 'memory')
        end
        local long, streams = ('y'):rep(900000), {}
        for n = 1, 300 do streams[n] = llm.stream(long, {model = 'test/offline'}) io.write('.') end
    """)

    def streams(runs: int) -> int:
        session = Session(folder=folder, limits={"memory": "30MB", "time": PATIENCE})
        result = session.attempt_sync(folder / "many.lua", {"runs": runs, "inner": inner})
        assert isinstance(result.error, MemoryLimit)
        return len(result.output)

    assert streams(8) == streams(0)


# Checkpoints. -------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_checkpoint_goes_on_before_in_and_after_a_spell(folder: Path, isolation: str) -> None:
    (folder / "note.lua").write_text("fs.append('notes', params.n) sleep(0.01) return params.n")
    (folder / "steps.lua").write_text("""
        local first = spell.run('note', {n = 'a'})
        local two = parallel({function() return spell.run('note', {n = 'b'}).result end,
                              function() return spell.run('note', {n = 'c'}).result end})
        sleep(0.001)
        return {first.result, two, first.usage.calls}
    """)
    notes = folder / "notes"
    options: dict[str, Any] = {"isolation": isolation, "allow": [f"fs.write:{folder}"]}
    options["folder"] = folder

    def ran(checkpoint: Checkpoint | None) -> tuple[Any, list[str], str]:
        async def go() -> tuple[Any, list[str]]:
            async with Session(**options) as session:
                path = folder / "steps.lua"
                if checkpoint is None:
                    running = session.start(path)
                else:
                    running = session.restore(checkpoint, path)
                value = (await running.result()).value
                return value, running.checkpoint().lines

        notes.write_text("")
        value, lines = asyncio.run(go())
        return value, lines, "".join(sorted(notes.read_text()))

    value, lines, written = ran(None)
    assert (value[:2], written) == (["a", ["b", "c"]], "abc")
    for size in range(1, len(lines) + 1):
        done = [json.loads(line)["args"] for line in lines[1:size] if '"spell.run"' in line]
        left = "".join(n for n in "abc" if not any(f'"{n}"' in args for args in done))
        again, _, written = ran(Checkpoint(lines[:size]))
        assert (again, written) == (value, left), f"from line {size}"


def test_a_program_without_a_folder_is_told_so(folder: Path) -> None:
    with pytest.raises(NotFound, match="of no folder"):
        Session(folder=folder).run_sync("return spell.run('nowhere')")
