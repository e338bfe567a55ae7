"""The timers of an event loop: in order, cancelled, in bounded memory, and gone with the runs."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from llmspell import Session
from llmspell.host.timers import ROOM, TIMERS, Timers, timers
from llmspell.runtime import session as sessions
from llmspell.runtime.run import Run


def test_calls_are_made_in_the_order_of_their_times() -> None:
    """Those of the same time in the order they were asked for, none before its time."""

    async def go() -> None:
        loop, made = asyncio.get_running_loop(), list[tuple[int, float]]()
        here, began = timers(loop), loop.time()

        def note(number: int) -> None:
            made.append((number, loop.time()))

        assert timers(loop) is here
        for number, seconds in enumerate((0.03, 0.0, 0.02, 0.0, 0.01)):
            here.call_later(seconds, partial(note, number))
        while len(made) < 5:
            await asyncio.sleep(0.005)
        assert [n for n, _ in made] == [1, 3, 4, 2, 0]
        assert all(
            at - began >= s for (_, at), s in zip(made, (0, 0, 0.01, 0.02, 0.03), strict=True)
        )

    asyncio.run(go())


def test_a_call_that_asks_for_another_lets_the_loop_go_on() -> None:
    async def go() -> None:
        here, rounds = timers(asyncio.get_running_loop()), 0

        def again() -> None:
            nonlocal rounds
            rounds += 1
            here.call_later(0, again)

        again()
        await asyncio.sleep(0.02)  # would never end if each call were followed by the next
        assert rounds > 1

    asyncio.run(go())


def test_a_call_that_fails_keeps_no_other_waiting() -> None:
    async def go() -> None:
        loop, told, made = asyncio.get_running_loop(), list[str](), list[int]()
        loop.set_exception_handler(lambda loop, what: told.append(str(what["exception"])))
        here = timers(loop)

        def fail() -> None:
            raise ValueError("of no use")

        calls: list[Callable[[], None]] = [fail, lambda: made.append(1), lambda: made.append(2)]
        for call in calls:
            here.call_later(0, call)
        while len(made) < 2:
            await asyncio.sleep(0.005)
        assert (told, made) == (["of no use"], [1, 2])

    asyncio.run(go())


def test_what_is_cancelled_is_not_called_nor_kept() -> None:
    """A script may begin and end waits as often as it likes."""

    class Thing:
        def call(self) -> None:
            raise AssertionError

    async def go() -> None:
        loop = asyncio.get_running_loop()
        here, thing = Timers(loop), Thing()
        seen = weakref.ref(thing)
        here.call_later(1000, lambda: None)
        for _ in range(10_000):
            here.cancel(here.call_later(500, thing.call))
        del thing
        assert seen() is None
        assert len(here._heap) <= ROOM + 2
        number = here.call_later(0, Thing().call)
        here.cancel(number)
        here.cancel(number)
        await asyncio.sleep(0.01)

    asyncio.run(go())


def test_nothing_is_left_of_a_loop_or_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has ended is free without the collector: thousands may come and go."""
    runs: list[weakref.ref[object]] = []
    loops: list[asyncio.AbstractEventLoop] = []

    class Watched(Run):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            runs.extend(map(weakref.ref, (self, self.gate.context)))

    monkeypatch.setattr(sessions, "Run", Watched)

    async def go() -> None:
        loops.append(asyncio.get_running_loop())
        async with Session() as session:
            for _ in range(2):
                runs.clear()
                result = await session.run("sleep(0) return time.now() > 0")
                assert result.value is True
        assert len(runs) == 2
        assert [one for one in runs if one() is not None] == []

    gc.collect()
    gc.disable()
    try:
        asyncio.run(go())
    finally:
        gc.enable()
    gc.collect()
    assert loops[0] not in TIMERS
