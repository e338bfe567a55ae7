"""Profiles, warnings, usage and quotas, as the embedding program sees them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

import llmspell
from llmspell import Session, Tenant
from llmspell.engines.lua import PUSH_ROOM
from llmspell.errors import (
    BudgetExceeded,
    CallLimit,
    MemoryLimit,
    RunLimit,
    StepLimit,
    TaskLimit,
    TimeLimit,
    UsageError,
)
from llmspell.limits import PROFILES, Limits, expanded

ISOLATIONS = ("none", "process")

GROW = """
local t = {}
for i = 1, params.n do t[i] = ("x"):rep(1000) .. i end
sleep(params.wait or 0)
return #t
"""


# Profiles and overrides.


def test_profiles_grow_and_warn_later() -> None:
    strict, normal, relaxed = (Limits().updated(name) for name in PROFILES)
    for name in ("steps", "time", "memory", "warn"):
        assert getattr(strict, name) < getattr(normal, name) < getattr(relaxed, name)
    assert strict.calls == relaxed.calls == Limits().calls


def test_what_is_given_comes_before_a_profile_in_any_order() -> None:
    for given in ({"profile": "strict", "time": 60}, {"time": 60, "profile": "strict"}):
        assert Limits().updated(given) == Limits().updated("strict")._replace(time=60.0)
    assert expanded({"calls": 1}) == {"calls": 1}


def test_an_unknown_profile_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="strict, normal, relaxed; did you mean strict"):
        Limits().updated("stict")


@pytest.mark.parametrize("share", [1, 1.5, "0", -0.5, True])
def test_a_share_is_between_0_and_1(share: Any) -> None:
    with pytest.raises(UsageError, match="warn"):
        Limits().updated({"warn": share})


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_run_may_have_limits_of_its_own(isolation: str) -> None:
    async def both() -> list[Any]:
        async with Session(isolation=isolation, limits="strict") as session:
            loop = "for i = 1, 1500000 do end return usage().limits.time"
            tight = await session.attempt(loop)
            wide = await session.attempt(loop, limits={"profile": "normal", "time": 20})
            again = await session.attempt(loop)
            return [tight.error, wide.value, again.error]

    first, value, last = asyncio.run(both())
    assert isinstance(first, StepLimit)
    assert value == 20.0
    assert isinstance(last, StepLimit)


# Warnings.


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_the_program_is_warned_too(isolation: str) -> None:
    told: list[Any] = []
    session = Session(isolation=isolation, limits={"steps": 10_000}, on_warning=told.append)
    result = session.attempt_sync("t = ('x'):rep(100000) while true do end")
    assert isinstance(result.error, StepLimit)
    assert [(usage.warning, usage.steps) for usage in told] == [("steps", 9001)]
    assert told[0].memory.peak > 50_000


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_replay_warns_where_the_recording_did(isolation: str, tmp_path: Path) -> None:
    spell = """
    local said = {}
    function on_resource_warning(u) table.insert(said, u.warning .. " " .. u.calls) time.now() end
    for i = 1, 9 do table.insert(said, time.now()) end
    return said
    """
    log = tmp_path / "calls.jsonl"

    def run(calls: int, **files: Any) -> Any:
        return Session(isolation=isolation, limits={"calls": calls, "warn": 0.4}, **files).run_sync(
            spell
        )

    first = run(12, record=log)
    assert [told for told in first.value if isinstance(told, str)] == ["calls 5"]
    # The limit of the replay is another; the recording says what happened.
    assert run(500, replay=log).value == first.value


def test_usage_is_answered_from_a_recording(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    spell = "local n = 0 for i = 1, params.n do n = n + 1 end return usage()"
    first = Session(record=log).run_sync(spell, {"n": 1000})
    assert Session(replay=log).run_sync(spell, {"n": 5}).value == first.value


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_handler_that_never_ends_delays_no_hard_stop(isolation: str) -> None:
    source = "function on_resource_warning() while true do end end while true do end"
    session = Session(isolation=isolation, limits={"time": 0.5})
    result = session.attempt_sync(source)
    assert isinstance(result.error, TimeLimit)
    assert result.usage.seconds < PATIENCE


# Children count on the same limits.


CHILDREN = {
    "a task": "await(async(function() %s end))",
    "parallel": "parallel({ function() %s end })",
    "a coroutine": "coroutine.wrap(function() %s end)()",
    "loaded text": "load([[%s]])()",
    "a module": "require('child')",
    "a promise": "promise.resolve(1):next(function() %s end):await()",
    "a tool": "tools.register('t', 'd', {}, function() %s end) tools.execute('t', {})",
    "a callback": "errors.try(function() %s end)",
    "a warning": "function on_resource_warning() %s end for i = 1, 95 do time.now() end sleep(20)",
}
SPENT: dict[str, tuple[str, type[Exception]]] = {
    "steps": ("while true do end", StepLimit),
    "memory": ("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", MemoryLimit),
    "calls": ("while true do time.now() end", CallLimit),
    "tasks": ("while true do spawn(function() sleep(9) end) end", TaskLimit),
}


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("limit", SPENT)
@pytest.mark.parametrize("child", CHILDREN)
def test_children_count_on_the_same_limits(child: str, limit: str, isolation: str) -> None:
    body, error = SPENT[limit]
    source = CHILDREN[child]
    bounds = {"steps": 300_000, "memory": "8MB", "calls": 100, "tasks": 20, "time": 30}
    session = Session(isolation=isolation, limits=bounds, modules={"child": body})
    result = session.attempt_sync(source % body if "%s" in source else source)
    assert type(result.error) is error


# Memory.


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_result_and_a_session_keep_the_peak(isolation: str) -> None:
    async def both() -> tuple[int, int, int, int]:
        async with Session(isolation=isolation) as session:
            source = GROW.replace(
                "return", "local n = #t t = nil collectgarbage() sleep(0.3) return n --"
            )
            running = asyncio.create_task(session.run(GROW, {"n": 3000, "wait": 0.5}))
            await asyncio.sleep(0.35)
            during = session.memory
            await running
            result = await session.run(source, {"n": 5000})
            return during, result.usage.memory, session.memory, session.peak_memory

    during, peak, after, most = asyncio.run(both())
    assert during > 3_000_000
    assert peak > 5_000_000
    assert after == 0
    assert most == peak


# Tenants.


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_sessions_of_a_tenant_share_its_memory(isolation: str) -> None:
    tenant = Tenant("acme", memory="16MB")

    async def all_of_them() -> list[Any]:
        limits = {"memory": "12MB"}
        async with (
            Session(tenant=tenant, isolation=isolation, limits=limits) as one,
            Session(tenant=tenant, isolation=isolation, limits=limits) as other,
        ):
            first = asyncio.create_task(one.attempt(GROW, {"n": 6000, "wait": 1.5}))
            await asyncio.sleep(0.7)
            second = await other.attempt(GROW, {"n": 10500})
            alone = [await first, await other.attempt(GROW, {"n": 10500})]
            return [second, *alone]

    refused, first, later = asyncio.run(all_of_them())
    assert isinstance(refused.error, MemoryLimit)
    assert str(refused.error).endswith(
        "the runs of acme reached the memory quota of 16000000 bytes that they share"
    )
    assert (first.value, later.value) == (6000, 10500)
    assert tenant.peak <= 16_000_000 + PUSH_ROOM
    assert (tenant.held, tenant.active) == (0, 0)


def test_many_runs_of_a_tenant_never_hold_more_than_its_quota() -> None:
    tenant = Tenant(memory="5MB")

    async def many() -> list[Any]:
        async with Session(tenant=tenant) as session:
            first = asyncio.create_task(session.attempt(GROW, {"n": 900, "wait": 1.5}))
            await asyncio.sleep(0.5)
            runs = (session.attempt(GROW, {"n": 900, "wait": 0.2}) for _ in range(12))
            return [*await asyncio.gather(*runs), await first]

    results = asyncio.run(many())
    ended = [result.error for result in results if result.error is not None]
    assert ended
    assert all(isinstance(error, MemoryLimit) for error in ended)
    assert results[-1].value == 900
    assert tenant.peak <= 5_000_000 + len(results) * PUSH_ROOM
    assert (tenant.held, tenant.active) == (0, 0)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_run_too_many_is_refused_before_it_begins(isolation: str) -> None:
    tenant = Tenant("acme", runs=2)

    async def three() -> list[Any]:
        async with Session(tenant=tenant, isolation=isolation) as session:
            source = "print('began') sleep(0.5) return 1"
            return await asyncio.gather(*(session.attempt(source) for _ in range(3)))

    results = asyncio.run(three())
    refused = [result for result in results if result.error is not None]
    assert [type(result.error) for result in refused] == [RunLimit]
    assert refused[0].output == ""
    assert tenant.active == 0


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_sessions_of_a_tenant_share_its_tokens(isolation: str) -> None:
    tenant = Tenant("acme", tokens=400)

    async def two() -> list[Any]:
        found = []
        for _ in range(2):
            async with Session(tenant=tenant, isolation=isolation, model="test/offline") as session:
                source = "for i = 1, 50 do llm.generate('hello', {max_tokens = 100}) end"
                found.append((await session.attempt(source)).error)
        return found

    first, second = asyncio.run(two())
    assert isinstance(first, BudgetExceeded)
    assert isinstance(second, BudgetExceeded)
    assert "400 tokens that they share" in str(second)
    assert 300 <= tenant.used_tokens <= 400
    assert tenant.room == 400 - tenant.used_tokens


def test_dollars_are_set_aside_and_given_back() -> None:
    tenant = Tenant("acme", cost=1.0)
    tenant.reserve(10, 0.7)
    with pytest.raises(BudgetExceeded, match=r"acme reached the budget quota of \$1"):
        tenant.reserve(10, 0.4)
    tenant.release(10, 0.7)
    tenant.spend(10, 0.5)
    tenant.reserve(10, 0.4)
    assert (tenant.spent, tenant.used_tokens) == (0.5, 10)


def test_an_isolated_run_of_a_tenant_needs_a_limit() -> None:
    session = Session(
        tenant=Tenant(memory="64MB"), isolation="process", limits={"memory": None, "time": 10}
    )
    with pytest.raises(llmspell.UsageError, match="needs a limit"):
        session.run_sync("return 1")


def test_quotas_are_read_like_limits() -> None:
    assert Tenant(memory="1GB", tokens="2k").memory == 10**9
    with pytest.raises(UsageError, match="limit memory"):
        Tenant(memory="much")


@pytest.mark.parametrize("left", [0, 1])
def test_a_quota_that_is_used_up_leaves_nothing(left: int) -> None:
    tenant = Tenant("acme", memory=1_000_000)
    tenant.hold(1_000_000 - left)
    result = Session(tenant=tenant).attempt_sync("local s = ('x'):rep(20000000) sleep(0) return #s")
    assert isinstance(result.error, MemoryLimit)
    assert tenant.peak <= 1_000_000 + PUSH_ROOM


def test_a_quota_that_is_free_again_leaves_the_limit_of_the_run() -> None:
    tenant = Tenant("acme", memory=200_000_000)
    tenant.hold(195_000_000)

    def free() -> None:
        """Gives back what others held."""
        tenant.hold(-195_000_000)

    session = Session(tenant=tenant, functions={"x.free": free}, limits={"memory": "20MB"})
    source = "x.free() sleep(0.01) local s = ('x'):rep(%d) sleep(0.01) return #s"
    result = session.attempt_sync(source % 60_000_000)
    assert isinstance(result.error, MemoryLimit)
    assert "20000000 bytes" in str(result.error)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_waiting_calls_were_given_counts_as_memory(isolation: str) -> None:
    source = """
        local long, jobs, done = ("x"):rep(900000), {}, 0
        tools.register("wait", "Waits.", {}, function() sleep(params.wait) end)
        for n = 1, params.tasks do
          jobs[n] = function() tools.execute("wait", {text = long}) end
        end
        for _ = 1, params.rounds do
          parallel(jobs)
          done = done + #jobs
        end
        return done
    """

    def result(**params: float) -> Any:
        session = Session(isolation=isolation, limits={"memory": "64MB", "time": PATIENCE})
        return session.attempt_sync(source, params)

    assert result(tasks=10, rounds=20, wait=0.001).value == 200
    assert isinstance(result(tasks=400, rounds=1, wait=5).error, MemoryLimit)


def test_what_a_cancelled_call_was_given_counts_no_more() -> None:
    source = """
        local long = ("x"):rep(1000000)
        for _ = 1, 100 do
          pcall(parallel, {
            function() local s = llm.stream(long, {model = "test/offline"}) end,
            function() error("no") end,
          })
          collectgarbage()
          sleep(0)
        end
        return "ok"
    """
    assert Session(limits={"memory": "64MB"}).run_sync(source).value == "ok"


def test_what_a_replay_does_not_make_counts_as_nothing(tmp_path: Path) -> None:
    source = """
        local long = ("x"):rep(1000000)
        for _ = 1, 100 do llm.stream(long, {model = "test/offline"}):close() end
        return "ok"
    """
    for how in ("record", "replay"):
        given: dict[str, Any] = {how: tmp_path / "calls.jsonl"}
        session = Session(limits={"memory": "64MB"}, **given)
        assert session.run_sync(source).value == "ok"


def test_a_callback_that_raises_gives_back_the_place_of_the_run() -> None:
    tenant = Tenant("acme", runs=1)

    def leave(text: str) -> None:
        raise KeyError(text)

    with pytest.raises(KeyError):
        Session(tenant=tenant, output=leave).attempt_sync("print('a')")
    assert (tenant.active, tenant.held) == (0, 0)
    assert Session(tenant=tenant).run_sync("return 2").value == 2
