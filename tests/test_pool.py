"""The pool: every run its own world, never more runs than allowed, nothing left behind."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

from llmspell import (
    LifecycleEvent,
    LlmspellError,
    ParamError,
    Pool,
    PoolMetrics,
    PoolTimeout,
    Session,
    ShutDown,
    SpellCrashed,
    UsageError,
)
from llmspell.engines import engine
from llmspell.engines.base import Isolate, Signature
from llmspell.engines.lua import LuaEngine
from llmspell.host.settings import Settings
from llmspell.limits import Limits

ENGINES = ("lua54", "lua55", "luajit")
NAP = "sleep(params.s or 0.2) return params.n"


def session(**more: Any) -> Session:
    return Session(**{"settings": Settings()} | more)


async def until(true: Callable[[], bool]) -> None:
    """Waits for something that must come, for as long as a busy machine may take."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.005)


def metrics(within: Session) -> PoolMetrics:
    assert within.pool is not None
    return within.pool.metrics


# A fresh world.

LEAVE = """
    local name = params.name
    _G[name] = "left behind"
    string[name] = function() return "left behind" end
    string.upper = function() return "patched" end
    table.insert = nil
    math.pi = 3
    local ok = pcall(function() getmetatable("").__index = {} end)
    pcall(function() getmetatable("").__add = function() return "patched" end end)
    pcall(setmetatable, _G, {__index = function(_, k) return "left behind" end})
    pcall(setmetatable, string, {__index = function() return "left behind" end})
    local co = coroutine.create(function() coroutine.yield("first") print("left-over") end)
    coroutine.resume(co)
    _G.co = co
    spawn(function() sleep(100) print("left-over") end)
    math.randomseed(1)
    llm, fs, json = nil, nil, nil
    return name
"""

LOOK = """
    local found, seen = {}, {}
    local function walk(t, path)
      seen[t] = true
      for k, v in pairs(t) do
        local at = path .. "." .. tostring(k)
        found[#found + 1] = at .. ":" .. type(v)
        if type(v) == "table" and not seen[v] then walk(v, at) end
      end
      if getmetatable(t) ~= nil then found[#found + 1] = path .. " has a metatable" end
    end
    walk(_G, "_G")
    found[#found + 1] = type(_G.nothing_of_this_name) .. type(string.nothing_of_this_name)
    found[#found + 1] = ("x"):upper() .. math.pi .. tostring(pcall(function() return ("x") + 1 end))
    found[#found + 1] = tostring(math.random(1, 1000000))
    table.sort(found)
    return found
"""


@pytest.mark.parametrize("isolation", ["none", "process"])
@pytest.mark.parametrize("name", ENGINES)
def test_a_borrower_finds_a_fresh_environment(name: str, isolation: str) -> None:
    options = {"engine": name, "isolation": isolation, "seed": 7}

    async def go() -> None:
        async with session(**options) as apart:
            fresh = (await apart.run(LOOK)).value
        assert len(fresh) > 100
        async with session(**options, pool={"min": 1, "max": 1}) as here:
            for _ in range(5):
                word = "g" + secrets.token_hex(8)
                both = f"local function leave() {LEAVE} end leave() {LOOK}"
                mine = (await here.run(both, {"name": word})).value
                assert f"_G.{word}:string" in mine, "what is looked for is found where it is"
                assert len(set(mine) - set(fresh)) > 4
                result = await here.run(LOOK)
                assert result.value == fresh
                assert result.output == ""
            assert metrics(here).handed_out > 0

    asyncio.run(go())


def test_one_run_leaves_the_other_engines_and_runs_beside_it_alone() -> None:
    async def go() -> None:
        async with session(pool={"min": 2, "max": 8}) as here:
            words = ["g" + secrets.token_hex(8) for _ in range(20)]
            runs = [here.run("sleep(0.01)" + LEAVE, {"name": word}) for word in words]
            looks = [here.run("sleep(0.02)" + LOOK) for _ in words]
            found = await asyncio.gather(*runs, *looks)
            assert [result.value for result in found[:20]] == words
            for result in found[20:]:
                assert not any(word in line for word in words for line in result.value)

    asyncio.run(go())


# How many.


def test_no_more_run_at_the_same_time_than_allowed() -> None:
    async def go() -> None:
        running = most = 0

        def watch(event: LifecycleEvent) -> None:
            nonlocal running, most
            running += (event.kind == "activated") - (event.kind == "closed")
            most = max(most, running)

        async with session(pool={"min": 1, "max": 3}, on_lifecycle=watch) as here:
            runs = [here.run(NAP, {"n": n, "s": 0.02}) for n in range(12)]
            assert [r.value for r in await asyncio.gather(*runs)] == list(range(12))
            assert (most, running, metrics(here).peak) == (3, 0, 3)
            assert metrics(here).waited > 0
            assert (metrics(here).active, metrics(here).waiting) == (0, 0)

    asyncio.run(go())


def test_runs_wait_in_the_order_they_came_until_a_deadline() -> None:
    async def go() -> None:
        pool = Pool(min=1, max=1, timeout=0.2)
        async with session(pool=pool) as here:
            long = asyncio.create_task(here.run(NAP, {"s": 30, "n": 1}))
            await until(lambda: metrics(here).active == 1)
            with pytest.raises(PoolTimeout) as caught:
                await here.run("return 1")
            assert caught.value.code == "pool"
            assert caught.value.exit_code == 9
            assert caught.value.retryable
            assert caught.value.message == (
                "the spell was not begun: for 0.2 s as many were running as may, 1;"
                " try again later, or raise max or timeout of the pool"
            )
            assert (metrics(here).timeouts, metrics(here).waiting) == (1, 0)
            long.cancel()
            with pytest.raises(asyncio.CancelledError):
                await long
            assert (await here.run("return 2")).value == 2

        order: list[int] = []
        async with session(pool={"min": 0, "max": 1, "timeout": None}) as here:
            results = [here.run("sleep(0.001) return params.n", {"n": n}) for n in range(8)]
            tasks = [asyncio.create_task(one) for one in results]
            for task in tasks:
                task.add_done_callback(lambda done: order.append(done.result().value))
            await asyncio.gather(*tasks)
        assert order == list(range(8))

    asyncio.run(go())


def test_one_that_gives_up_waiting_leaves_its_place_to_others() -> None:
    async def go() -> None:
        async with session(pool={"min": 1, "max": 2, "timeout": PATIENCE}) as here:
            for _ in range(10):
                runs = [asyncio.create_task(here.run(NAP, {"s": 0.005})) for _ in range(8)]
                await asyncio.sleep(0.007)
                for run in runs[::2]:
                    run.cancel()
                await asyncio.gather(*runs, return_exceptions=True)
            assert (metrics(here).active, metrics(here).waiting) == (0, 0)
            assert (await here.run("return 3")).value == 3
            assert here.pool is not None
            assert here.pool._places == 0

    asyncio.run(go())


def test_as_many_are_ready_as_were_asked_for_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmspell.runtime.pool.DEMAND", 1.5)

    async def go() -> None:
        async with session(pool={"min": 2, "max": 50, "idle": 0.2}) as here:
            assert metrics(here).ready == 2
            await asyncio.gather(*(here.run("return 1") for _ in range(10)))
            await until(lambda: metrics(here).ready >= 8)
            assert metrics(here).ready <= 10
            await until(lambda: metrics(here).ready == 2)
            assert metrics(here).expired >= 6
            assert metrics(here).handed_out >= 2
            assert metrics(here).missed + metrics(here).handed_out == 10

    asyncio.run(go())


def test_none_is_handed_out_that_is_older_than_its_lifetime() -> None:
    async def go() -> None:
        ages: list[float] = []
        reasons: list[str] = []

        def watch(event: LifecycleEvent) -> None:
            if event.kind == "activated":
                ages.append(event.age)
            if event.kind == "recycled":
                reasons.append(event.reason)

        async with session(pool={"min": 2, "max": 4, "lifetime": 0.1}, on_lifecycle=watch) as here:
            await until(lambda: reasons.count("lifetime") >= 4)
            await until(lambda: metrics(here).ready > 0)
            for _ in range(5):
                await here.run("return 1")
        assert max(ages) <= 0.1 + 0.05
        assert set(reasons) <= {"lifetime", "shutdown"}

    asyncio.run(go())


def test_a_busy_pool_keeps_no_more_ready_than_may_still_begin() -> None:
    async def go() -> None:
        async with session(pool={"min": 2, "max": 3}) as here:
            runs = [asyncio.create_task(here.run(NAP, {"s": 0.3})) for _ in range(3)]
            await until(lambda: metrics(here).active == 3)
            await asyncio.sleep(0.05)
            assert metrics(here).ready == 0
            await asyncio.gather(*runs)
            await until(lambda: metrics(here).ready == 3)

    asyncio.run(go())


# Health.


class Failing(LuaEngine):
    """A Lua whose isolates fail: to be made, or to answer when they are asked again."""

    def __init__(self) -> None:
        super().__init__("lua54")
        self.made = 0
        self.broken = self.silent = False

    def isolate(self, names: Any, limits: Limits) -> Any:
        self.made += 1
        if self.broken:
            raise OSError("no more memory for a state")
        isolate = super().isolate(names, limits)
        if self.silent:
            asked = iter([True])
            isolate.answers = lambda: next(asked, False)  # type: ignore[method-assign]
        return isolate


def test_one_that_does_not_answer_any_more_is_not_handed_out() -> None:
    async def go() -> None:
        failing = Failing()
        failing.silent = True
        told: list[tuple[str, str]] = []
        async with session(
            engine=failing,
            pool={"min": 2, "max": 2},
            on_lifecycle=lambda event: told.append((event.kind, event.reason)),
        ) as here:
            assert metrics(here).ready == 2
            failing.silent = False
            assert (await here.run("return 1")).value == 1
            assert metrics(here).discarded == 2
            assert (metrics(here).handed_out, metrics(here).missed) == (0, 1)
            assert told.count(("error", "it does not answer")) == 2

    asyncio.run(go())


def test_a_state_that_was_broken_does_not_answer() -> None:
    for name in ENGINES:
        isolate = engine(name).isolate({"x.y": Signature()}, Limits())
        assert isolate.answers()
        assert isolate.answers()
        lua: Any = isolate

        def broken(*args: Any) -> Any:
            raise RuntimeError("broken")

        lua._turn = broken
        assert not isolate.answers()
        isolate.close()


def test_an_ailing_pool_makes_nothing_ahead_and_says_so() -> None:
    async def go() -> None:
        failing, notes = Failing(), list[str]()
        failing.broken = True
        async with session(engine=failing, pool={"min": 3, "max": 9}, notify=notes.append) as here:
            await asyncio.sleep(0.1)
            assert 4 <= failing.made <= 12
            assert metrics(here).health == 0
            [note] = notes
            assert "of" in note
            assert note.endswith("isolates failed, last: no more memory for a state")
            assert note.startswith("the pool makes nothing ahead any more: ")
            failing.broken = False
            for n in range(30):
                assert (await here.run("return params.n", {"n": n})).value == n
            assert metrics(here).health >= 0.5
            assert notes[1:] == ["the pool makes isolates ahead again"]
            await until(lambda: metrics(here).ready > 0)

    asyncio.run(go())


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
def test_a_worker_that_died_while_it_waited_is_replaced() -> None:
    from test_isolation import kill_workers

    async def go() -> None:
        printed: list[str] = []
        async with session(
            level="untrusted", pool={"min": 3, "max": 5}, output=printed.append
        ) as here:
            assert metrics(here).ready == 3
            kill_workers()
            assert (await here.run("return 1")).value == 1
            await until(lambda: metrics(here).discarded >= 2 and metrics(here).ready >= 3)
            for n in range(5):
                assert (await here.run("return params.n", {"n": n})).value == n
            with pytest.raises(SpellCrashed):
                doomed = asyncio.create_task(here.run("print('begun') sleep(25)"))
                await until(lambda: printed == ["begun\n"])
                while not doomed.done():
                    kill_workers()
                    await asyncio.sleep(0.05)
                await doomed
            assert (await here.run("return 2")).value == 2
            assert metrics(here).health < 1

    asyncio.run(go())


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
def test_workers_are_locked_down_before_they_are_ready() -> None:
    async def go() -> None:
        async with session(
            level="untrusted", pool={"min": 2, "max": 4}, require=["seccomp"]
        ) as here:
            result = await here.run("return 1")
            assert metrics(here).handed_out == 1
            assert result.isolation["seccomp"] == ""
            # Its bounds are set for good when it locks itself down: other limits, other worker.
            result = await here.run("return 2", limits={"memory": "8MB"})
            assert metrics(here).missed == 1
            with pytest.raises(LlmspellError) as caught:
                await here.run(
                    "local t = {} for i = 1, 1e9 do t[i] = i end", limits={"memory": "4MB"}
                )
            assert caught.value.code == "memory"

    asyncio.run(go())


def test_limits_hold_in_an_isolate_made_before_they_were_known() -> None:
    async def go() -> None:
        async with session(pool={"min": 1, "max": 1}) as here:
            for limit, source in (
                ({"memory": "2MB"}, "local t = {} for i = 1, 1e9 do t[i] = i end"),
                ({"steps": 1000}, "while true do end"),
                ({"tasks": 3}, "for i = 1, 9 do async(function() sleep(1) end) end"),
                ({"depth": 3}, "return {{{{{1}}}}}"),
            ):
                await until(lambda: metrics(here).ready == 1)
                before = metrics(here).handed_out
                with pytest.raises(LlmspellError) as caught:
                    await here.run(source, limits=limit)
                assert metrics(here).handed_out == before + 1
                assert caught.value.code in (next(iter(limit)), "runtime")
                assert (await here.run("return 1")).value == 1

    asyncio.run(go())


# Generations and events.


def test_a_new_generation_replaces_what_is_ready_and_lets_runs_end() -> None:
    async def go() -> None:
        told: list[LifecycleEvent] = []
        async with session(pool={"min": 2, "max": 4}, on_lifecycle=told.append) as here:
            assert here.pool is not None
            old = asyncio.create_task(here.run(NAP, {"s": 0.1, "n": "old"}))
            await until(lambda: metrics(here).active == 1)
            await until(lambda: metrics(here).ready == 2)
            here.pool.renew()
            gone = [e for e in told if (e.kind, e.reason) == ("recycled", "generation")]
            assert len(gone) == 2
            assert {event.generation for event in gone} == {1}
            assert (await here.run("return 'new'")).value == "new"
            assert [e.generation for e in told if e.kind == "activated"] == [1, 2]
            assert (await old).value == "old"
            await until(lambda: metrics(here).ready >= 2)
            assert metrics(here).generation == 2

    asyncio.run(go())


def test_each_isolate_lives_through_its_events_in_order() -> None:
    async def go() -> None:
        told: list[LifecycleEvent] = []
        async with session(pool={"min": 1, "max": 2}, on_lifecycle=told.append) as here:
            await here.run("return 1")
            await here.attempt("error('x')")
        lives: dict[int, list[str]] = {}
        for event in told:
            lives.setdefault(event.number, []).append(event.kind)
        assert sorted(lives) == list(range(1, len(lives) + 1))
        for kinds in lives.values():
            made = kinds[: kinds.index("activated")] if "activated" in kinds else kinds[:-1]
            assert made in (["created"], ["created", "warmed", "idle"])
            assert kinds[len(made) :] in (["activated", "closed"], ["recycled"])
        assert [e.reason for e in told if e.kind == "closed"] == ["", "runtime"]
        assert all(event.engine == "lua" and event.age >= 0 for event in told)
        # Without a pool too.
        told.clear()
        async with session(on_lifecycle=told.append) as here:
            await here.run("return 1")
        assert [e.kind for e in told] == ["created", "activated", "closed"]

    asyncio.run(go())
    told: list[LifecycleEvent] = []
    session(on_lifecycle=told.append).run_sync("return 1")
    assert [(e.kind, e.number, e.generation) for e in told] == [
        ("created", 1, 1),
        ("activated", 1, 1),
        ("closed", 1, 1),
    ]


# The end.


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_shutdown_waits_and_then_ends_what_is_left(isolation: str) -> None:
    async def go() -> None:
        made: list[Isolate] = []
        async with session(isolation=isolation, pool={"min": 1, "max": 3}) as here:
            assert here.pool is not None
            short = asyncio.create_task(here.run(NAP, {"s": 0.05, "n": "short"}))
            long = asyncio.create_task(here.run(NAP, {"s": PATIENCE * 2}))
            busy = asyncio.create_task(here.run("while true do end"))
            await until(lambda: metrics(here).active == 3)
            waiting = asyncio.create_task(here.run("return 1"))
            await until(lambda: metrics(here).waiting == 1)
            made += [run.isolate for run in here.pool._runs]
            await here.pool.aclose(1.5)
            for task in (long, busy, waiting):
                with pytest.raises(ShutDown) as caught:
                    await task
                assert caught.value.exit_code == 130
                assert caught.value.message == ("the spell was ended: its session is shutting down")
            assert (await short).value == "short"
            with pytest.raises(ShutDown):
                await here.run("return 1")
            assert (metrics(here).ready, metrics(here).active, metrics(here).waiting) == (0, 0, 0)
        assert len(made) == 3
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(go())


def test_leaving_the_session_closes_its_pool() -> None:
    async def go() -> None:
        told: list[str] = []
        async with session(
            pool={"min": 3, "max": 9}, on_lifecycle=lambda event: told.append(event.kind)
        ) as here:
            assert metrics(here).ready == 3
        assert told.count("created") == told.count("recycled") + told.count("closed") == 3

    asyncio.run(go())


# What makes no sense.


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min": -1}, "pool: min must be a whole number, got -1"),
        ({"max": 0}, "pool: max must be a whole number, got 0"),
        ({"min": 1.5}, "pool: min must be a whole number, got 1.5"),
        ({"min": True}, "pool: min must be a whole number, got True"),
        ({"min": 9, "max": 3}, "pool: min is 9, which is more than max, 3"),
        ({"idle": 0}, "pool: idle must be above 0, got 0"),
        ({"lifetime": "1h"}, "pool: lifetime must be a number of seconds, got '1h'"),
        ({"timeout": -1}, "pool: timeout must be above 0, got -1"),
        ({"size": 3}, "pool: size: use some of min, max, idle, lifetime, timeout"),
    ],
)
def test_numbers_that_cannot_be_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        session(pool=given)
    assert caught.value.message == said


def test_a_pool_is_of_one_session_with_an_event_loop() -> None:
    pool = Pool()
    here = session(pool=pool)
    with pytest.raises(UsageError, match="belongs to another session"):
        session(pool=pool)
    with pytest.raises(UsageError, match="await run"):
        here.run_sync("return 1")


def test_a_run_that_is_refused_leaves_its_place() -> None:
    async def main() -> None:
        async with session(isolation="process", pool={"min": 1, "max": 2}) as within:
            for _ in range(3):
                with pytest.raises(ParamError, match="params are larger than"):
                    await within.run("return 1", {"text": "x" * 2_000_000})
            assert metrics(within).active == 0

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="there is a zygote on Linux only")
def test_no_worker_is_kept_for_limits_of_one_run() -> None:
    from test_isolation import children, zygote

    async def main() -> None:
        async with session(isolation="process", pool={"min": 0, "max": 2}) as within:
            await within.run("return 0")
            await until(lambda: metrics(within).ready == 1)
            process = zygote()._process
            assert process is not None
            for n in range(12):
                limits = {"time": 10 + n}
                assert (await within.run("return params.n", {"n": n}, limits=limits)).value == n
            # What a run was killed with may still be there for a moment, and one is spare.
            await until(lambda: len(children(process.pid)) <= 2 and metrics(within).active == 0)
            assert (metrics(within).made, metrics(within).ready) == (1, 1)
            assert (await within.run("return 1")).value == 1
            assert (metrics(within).handed_out, metrics(within).missed) == (1, 13)

    asyncio.run(main())


def test_engines_share_what_may_be_kept_ready(tmp_path: Path) -> None:
    sources = {"a.lua": "return 1", "b.tengo": "export 1"}
    for name, source in sources.items():
        (tmp_path / name).write_text(source)

    async def main() -> None:
        async with session(pool={"min": 1, "max": 3}) as within:
            most = 0
            for name in [*sources] * 6:
                assert (await within.run(tmp_path / name)).value == 1
                await asyncio.sleep(0.02)
                most = max(most, metrics(within).ready)
            assert most == 3
            # What was asked for last has its share, and the engine of the session its least.
            await until(lambda: metrics(within).ready == 3)
            assert within.pool is not None
            ready = {key.engine.name: len(queue) for key, queue in within.pool._ready.items()}
            assert ready["tengo"] == 2
            missed = metrics(within).missed
            assert (await within.run("return 1")).value == 1
            assert (await within.run(tmp_path / "b.tengo")).value == 1
            assert metrics(within).missed == missed

    asyncio.run(main())
