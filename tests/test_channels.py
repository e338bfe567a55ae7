"""Channels: their bounds, sharing them between spells and with the program, deadlocks, replays."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from conftest import PATIENCE

import llmspell
from llmspell import Session
from llmspell.errors import (
    BadArgument,
    CapabilityError,
    HostFailure,
    ScriptRuntimeError,
    UsageError,
)
from llmspell.host import channels
from llmspell.host.channels import Channel, Channels, Chosen, SharedChannels
from llmspell.host.waits import Wait
from llmspell.spells.program import Program

EXAMPLES = Path(__file__).parents[1] / "examples" / "channels"
MODES = ("none", "process")


def together(*sources: str, **options: Any) -> list[llmspell.Result]:
    """What spells come to that run at the same time in one session."""

    async def run() -> list[llmspell.Result]:
        async with Session(**options) as session:
            spells = [Program(text, f"spell{i}") for i, text in enumerate(sources, 1)]
            return list(await asyncio.gather(*(session.attempt(spell) for spell in spells)))

    return asyncio.run(run())


# Examples. ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said", "value"),
    [
        ("worker_pool", "9 jobs done by all workers", {"done": 9}),
        ("pipeline", "10 squares, 1540 in all", {"count": 10, "sum": 1540}),
        ("fan_out_fan_in", "2 of 3 sources answered in time", {"answered": 2}),
    ],
)
def test_an_example_runs(name: str, said: str, value: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmspell", "run", str(EXAMPLES / f"{name}.lua"), "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["output"].splitlines()[-1] == said
    assert told["result"] == value


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {
        "worker_pool",
        "pipeline",
        "fan_out_fan_in",
    }


# Without a VM. ------------------------------------------------------------------------------------


def test_a_wait_leaves_no_trace_when_it_is_withdrawn() -> None:
    mine = Channels(SharedChannels())
    channel = mine.make(0)
    lost = mine.send(channel, "lost", None)
    kept = mine.send(channel, "kept", None)
    assert lost is not None
    assert kept is not None
    lost.withdraw()
    assert (lost.settled, kept.settled) == (True, False)
    assert mine.try_receive(channel).value == "kept"
    assert kept.settled
    assert mine._room.used == 0


def test_a_value_whose_receiver_is_gone_before_it_had_it_goes_to_the_next() -> None:
    mine = Channels(SharedChannels())
    channel = mine.make(0)
    first, second = mine.receive(channel, None), mine.receive(channel, None)
    assert mine.try_send(channel, "value")
    first.withdraw()
    assert second.settled
    assert second.outcome() == b'"value"'
    second.withdraw()
    assert mine.try_receive(channel).value == "value"


def test_what_waits_is_counted_until_it_is_received() -> None:
    mine = Channels(SharedChannels())
    channel = mine.make(10_000)
    size = 1_000_000
    sent = 0
    with pytest.raises(HostFailure, match="wait in the channels of the run") as caught:
        while sent < 100:
            mine.try_send(channel, "x" * size)
            sent += 1
    assert caught.value.code == "channel_limit"
    assert caught.value.retryable
    assert sent == channels.RUN_BYTES // (size + 2 + channels.OVERHEAD)
    other = mine.make(1)
    with pytest.raises(HostFailure, match="channels of the run"):
        mine.try_send(other, "x" * size)
    with pytest.raises(HostFailure, match="channels of the run"):
        mine.send(mine.make(0), "x" * size, None)
    with pytest.raises(HostFailure, match="channels of the run"):
        mine.select({"a": (mine.make(0), True, "x" * size)}, None, False)
    while mine.try_receive(channel).ok:
        pass
    assert mine._room.used == 0
    assert mine.try_send(other, "x" * size)


def test_a_select_counts_each_value_once_and_no_longer_than_it_waits() -> None:
    mine = Channels(SharedChannels())
    a, b = mine.make(0), mine.make(0)
    wait = mine.select({"a": (a, True, "va"), "b": (b, True, "vb")}, None, False)
    assert isinstance(wait, Wait)
    assert mine._room.used == 2 * (4 + channels.OVERHEAD)
    assert mine.try_receive(b).value == "vb"
    assert wait.outcome() == Chosen("b", None, True)
    assert mine._room.used == 0
    assert not mine.try_receive(a).ok


def test_a_run_has_a_number_of_channels_and_those_it_lets_go_of_count_no_more() -> None:
    mine = Channels(SharedChannels())
    held = [mine.make(0) for _ in range(channels.MAX_CHANNELS)]
    for more in (lambda: mine.make(0), lambda: mine.open("name", None)):
        with pytest.raises(HostFailure, match="1000 channels already") as caught:
            more()
        assert caught.value.code == "channel_limit"
    held.pop()
    assert mine.open("name", None).name == "name"
    assert mine.open("name", None) is mine.open("name", 0)


def test_a_shared_channel_is_no_more_when_nobody_has_it() -> None:
    shared = SharedChannels()
    first, second = Channels(shared), Channels(shared)
    channel = first.open("jobs", 5)
    assert second.open("jobs", None) is channel
    first.try_send(channel, "kept")
    first.close()
    assert second.try_receive(channel).value == "kept"
    second.try_send(channel, "lost")
    second.close()
    assert shared.room.used == 0
    again = first.open("jobs", 1)
    assert again is not channel
    assert again.capacity == 1


def test_a_session_has_a_number_of_shared_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_SHARED", 3)
    shared = SharedChannels()
    for i in range(3):
        Channels(shared).open(f"name {i}", None)
    with pytest.raises(HostFailure, match="3 channels already"):
        Channels(shared).open("one more", None)


def test_what_waits_in_shared_channels_is_counted_for_the_session_too() -> None:
    shared = SharedChannels()
    shared.room = channels.Room(3000, "the session")
    runs = [Channels(shared) for _ in range(4)]
    for run in runs[:2]:
        assert run.try_send(run.open("jobs", 100), "x" * 1000)
    with pytest.raises(HostFailure, match="3000 bytes wait in the channels of the session"):
        runs[2].try_send(runs[2].open("jobs", 100), "x" * 1000)
    assert runs[2]._room.used == 0


def test_a_wrong_capacity_or_name_is_a_bad_argument() -> None:
    mine = Channels(SharedChannels())
    for wrong in (lambda: mine.make(-1), lambda: mine.make(10_001), lambda: mine.open("", None),
                  lambda: mine.open("x" * 101, None), lambda: mine.open("x", 10_001)):  # fmt: skip
        with pytest.raises(BadArgument):
            wrong()
    assert isinstance(mine.make(10_000), Channel)


# Between spells. ----------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", MODES)
def test_spells_of_a_session_talk_with_each_other(isolation: str) -> None:
    squares, asks = together(
        """
        local asked, answers = channel.open("asked"), channel.open("answers")
        for n in asked do answers:send(n * n) end
        answers:close()
        """,
        """
        local asked, answers = channel.open("asked"), channel.open("answers")
        async(function() for n = 1, 20 do asked:send(n) end asked:close() end)
        local sum = 0
        for square in answers do sum = sum + square end
        return sum
        """,
        isolation=isolation,
    )
    assert squares.error is None
    assert asks.value == 2870


def test_other_sessions_have_channels_of_their_own() -> None:
    for _ in range(2):
        (result,) = together("local c = channel.open('c', 1) return c:try_send(1)")
        assert result.value is True


@pytest.mark.parametrize("isolation", MODES)
def test_spells_that_wait_for_each_other_are_all_ended(isolation: str) -> None:
    began = monotonic()
    first, second = together(
        "local a = channel.open('a')\n\nlocal x = a:receive()",
        "local b = channel.open('b')\nlocal p = async(function() return (b:receive()) end)"
        "\nlocal x = await(p)",
        isolation=isolation,
        limits={"time": 120},
    )
    assert monotonic() - began < PATIENCE
    assert isinstance(first.error, ScriptRuntimeError)
    assert isinstance(second.error, ScriptRuntimeError)
    head = "deadlock: every task waits for another one: "
    assert first.error.message == head + 'the program at spell1:3 receives from channel "a"'
    assert second.error.message == (
        head + "the program at spell2:3 awaits the task at spell2:2;"
        ' a task at spell2:2 receives from channel "b"'
    )
    assert (first.error.line, second.error.line) == (3, 3)


def test_a_spell_left_behind_is_ended_when_the_one_that_could_help_is_gone() -> None:
    helper, left = together(
        "sleep(0.05) return 'gone'", "local c = channel.open('c')\nlocal x = c:receive()"
    )
    assert helper.value == "gone"
    assert 'receives from channel "c"' in str(left.error)


def test_a_spell_that_only_sleeps_may_still_help() -> None:
    late, waiting = together(
        "sleep(1.5) channel.open('c'):send('helped')",
        "local c = channel.open('c') local x = c:receive() return x",
    )
    assert late.error is None
    assert waiting.value == "helped"


def test_a_spell_that_begins_a_moment_later_helps() -> None:
    async def run() -> Any:
        async with Session() as session:
            first = asyncio.create_task(
                session.attempt("local c = channel.open('c') local x = c:receive() return x")
            )
            await asyncio.sleep(0.2)
            await session.run("local c = channel.open('c') c:send('helped')")
            return (await first).value

    assert asyncio.run(run()) == "helped"


def test_a_deadlock_of_one_spell_is_told_though_others_run() -> None:
    began = monotonic()
    stuck, other = together(
        "local c = channel.make() local x = c:receive()", "sleep(0.3) return 'fine'"
    )
    assert "deadlock" in str(stuck.error)
    assert other.value == "fine"
    assert monotonic() - began < PATIENCE


def test_a_run_that_ends_leaves_nothing_in_a_shared_channel() -> None:
    cut_off, rest = together(
        "local c = channel.open('c') async(function() c:send('never') end)"
        " async(function() c:send('never') end) sleep(0.01) error('cut off')",
        "local c = channel.open('c') sleep(0.3) return c:try_receive().ok",
    )
    assert "cut off" in str(cut_off.error)
    assert rest.value is False


# With the program. --------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", MODES)
def test_the_program_talks_with_a_running_spell(isolation: str) -> None:
    async def run() -> Any:
        async with Session(isolation=isolation) as session:
            asked, answers = session.channel("asked"), session.channel("answers", 2)
            spell = asyncio.create_task(
                session.attempt(
                    "local a, b = channel.open('asked'), channel.open('answers')"
                    " for v in a do b:send({ got = v }) end return 'end'"
                )
            )
            # Longer than runs that wait for each other only are given.
            await asyncio.sleep(1.3)
            for value in (1, "two", [3]):
                await asked.send(value)
            got = [await answers.receive() for _ in range(3)]
            asked.close()
            return got, (await spell).value

    assert asyncio.run(run()) == ([{"got": 1}, {"got": "two"}, {"got": [3]}], "end")


def test_what_the_program_holds_lasts_from_run_to_run() -> None:
    async def run() -> list[Any]:
        async with Session() as session:
            numbers = session.channel("numbers", 10)
            await session.run("local c = channel.open('numbers') for i = 1, 3 do c:send(i) end")
            await session.run("local c = channel.open('numbers') c:send(4) c:close()")
            return [number async for number in numbers]

    assert asyncio.run(run()) == [1, 2, 3, 4]


def test_the_program_is_told_what_is_wrong() -> None:
    async def run() -> None:
        async with Session() as session:
            channel = session.channel("c", 1)
            assert channel.name == "c"
            for wrong in (None, print, {1: 2}, [float("nan")]):
                with pytest.raises(UsageError):
                    await channel.send(wrong)
            await channel.send("full")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await channel.send("more")
            assert await channel.receive() == "full"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await channel.receive()
            channel.close()
            channel.close()
            assert await channel.receive() is None
            with pytest.raises(CapabilityError) as closed:
                await channel.send("late")
            assert closed.value.code == "closed"
            for name, capacity in (("", 0), ("c", 2), ("x" * 101, 0), ("d", -1)):
                with pytest.raises(UsageError):
                    session.channel(name, capacity)

    asyncio.run(run())


def test_a_receive_that_the_program_gives_up_takes_no_value() -> None:
    async def run() -> Any:
        async with Session() as session:
            channel = session.channel("c")
            receiving = asyncio.create_task(channel.receive())
            await asyncio.sleep(0)
            sending = asyncio.create_task(channel.send("value"))
            await asyncio.sleep(0)
            # Its value is there, but it has not had its turn to take it.
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            await sending
            return await asyncio.wait_for(channel.receive(), PATIENCE)

    assert asyncio.run(run()) == "value"


# Recorded, and run again. -------------------------------------------------------------------------

BUSY = """
    local jobs, results = channel.make(), channel.open("results", 2)
    for w = 1, 3 do
      spawn(function()
        for job in jobs do sleep(job / 1000) results:send({ w = w, job = job }) end
      end)
    end
    async(function() for job = 9, 1, -1 do jobs:send(job) end end)
    local told = {}
    for _ = 1, 9 do
      local got = channel.select({ r = { receive = results } }, { timeout = 5 })
      told[#told + 1] = got.value
      print(got.case, got.value.w, got.value.job)
    end
    local ok, e = pcall(results.receive, results, 0.001)
    return { told, ok, e.code }
"""


@pytest.mark.parametrize("engine", ["lua54", "lua55", "luajit"])
def test_a_run_with_channels_is_run_again(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    first = Session(engine=engine, record=path).attempt_sync(BUSY)
    again = Session(engine=engine, replay=path).attempt_sync(BUSY)
    assert first.error is None
    assert again.error is None
    assert (again.value, again.output) == (first.value, first.output)


def test_values_of_the_program_are_in_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    source = "local c, sum = channel.open('c'), 0 for v in c do sum = sum + v end return sum"

    async def record() -> Any:
        async with Session(record=path) as session:
            channel = session.channel("c", 5)
            for value in (1, 2, 3):
                await channel.send(value)
            channel.close()
            return (await session.run(source)).value

    async def replay() -> Any:
        async with Session(replay=path) as session:
            with pytest.raises(UsageError, match="a replay has no channels"):
                session.channel("c")
            return (await session.run(source)).value

    assert asyncio.run(record()) == asyncio.run(replay()) == 6


def test_a_deadlock_is_one_when_it_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    source = "local c = channel.make()\nsleep(0.001)\nlocal x = c:receive()"
    first = Session(record=path).attempt_sync(source)
    again = Session(replay=path).attempt_sync(source)
    for result in (first, again):
        assert isinstance(result.error, ScriptRuntimeError)
        assert "deadlock" in result.error.message
        assert result.error.line == 3


# Cost. --------------------------------------------------------------------------------------------


def test_channels_alone_need_no_event_loop() -> None:
    source = (
        "import sys, llmspell\n"
        "result = llmspell.run_sync('''local c = channel.make()"
        " async(function() for i = 1, 3 do c:send(i) end c:close() end)"
        " local sum = 0 for v in c do sum = sum + v end return sum''')\n"
        "print(result.value, 'asyncio' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == "6 False\n", done.stderr


def test_a_spell_without_channels_imports_none() -> None:
    source = (
        "import sys, llmspell\nllmspell.run_sync('print(1)')\n"
        "print([m for m in sys.modules if m.endswith(('channels', 'waits', 'deadlocks'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
