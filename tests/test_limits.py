"""Limits: how they are written, and that what is reserved at once never overshoots them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmspell
from llmspell.errors import BudgetExceeded, CallLimit, LlmspellError, StepLimit, UsageError
from llmspell.limits import LEVEL_LIMITS, Limits, Meter, Reservation, Usage, read_limit
from llmspell.policy import LEVELS


@pytest.mark.parametrize("name", ["time", "cpu"])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (5, 5.0),
        (0.25, 0.25),
        ("5", 5.0),
        ("5s", 5.0),
        ("  5 S ", 5.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1h", 3600.0),
        ("1e2s", 100.0),
        ("none", None),
        ("OFF", None),
        (None, None),
    ],
)
def test_spans(name: str, value: Any, seconds: float | None) -> None:
    found = read_limit(name, value)
    assert found == seconds
    assert found is None or type(found) is float


@pytest.mark.parametrize("name", ["memory", "output", "steps", "calls", "tasks", "tokens"])
@pytest.mark.parametrize(
    ("value", "number"),
    [
        (64, 64),
        (64.0, 64),
        ("64", 64),
        ("64b", 64),
        ("64k", 64_000),
        ("64kB", 64_000),
        ("64KiB", 65_536),
        ("64 MB", 64_000_000),
        ("64mib", 67_108_864),
        ("1.5m", 1_500_000),
        ("2G", 2_000_000_000),
        ("2gib", 2**31),
        ("1e6", 1_000_000),
        ("none", None),
        ("off", None),
        (None, None),
    ],
)
def test_sizes(name: str, value: Any, number: int | None) -> None:
    found = read_limit(name, value)
    assert found == number
    assert found is None or type(found) is int


def test_dollars_may_be_fractions() -> None:
    assert [read_limit("cost", value) for value in ("0.10", 2, "none")] == [0.1, 2.0, None]
    assert type(read_limit("cost", 2)) is float


@pytest.mark.parametrize(
    "value", ["", "x", "five", "-5s", "5 x", "5d", "1,5s", "5s5", "1_000", "."]
)
def test_a_span_that_cannot_be_read_shows_how_to_write_it(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_limit("time", value)
    assert str(caught.value) == (f'limit time: cannot read {value!r}; write it like "30s" or "2m"')


@pytest.mark.parametrize("value", ["", "x", "-5", "5s", "64 potatoes", "0x10", "64MBit"])
def test_a_size_that_cannot_be_read_shows_how_to_write_it(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_limit("memory", value)
    assert str(caught.value) == (
        f'limit memory: cannot read {value!r}; write it like "64MB" or 1000000'
    )


@pytest.mark.parametrize("name", ["time", "memory", "cost", "depth"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-1, "-1"),
        ("0", "0.0"),
        (True, "True"),
        (math.nan, "nan"),
        ([], "[]"),
        (b"5", "b'5'"),
    ],
)
def test_a_limit_is_a_number_above_0(name: str, value: Any, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_limit(name, value)
    assert str(caught.value) == f"limit {name}: must be a number above 0, got {shown}"


@pytest.mark.parametrize("value", [math.inf, "1e999"])
def test_a_limit_without_end_is_refused_or_no_limit(value: Any) -> None:
    for name in Limits._fields:
        with contextlib.suppress(UsageError):
            assert read_limit(name, value) in (None, math.inf), name


@pytest.mark.parametrize("value", [0.5, "0.5", "0.0001k"])
def test_a_limit_below_1_does_not_become_0(value: Any) -> None:
    # Some code reads a limit of 0 as no limit.
    for name in ("steps", "memory", "output", "calls", "tasks", "depth", "tokens"):
        with contextlib.suppress(UsageError):
            assert read_limit(name, value) >= 1, name


def test_a_tiny_step_limit_is_a_limit() -> None:
    with pytest.raises((StepLimit, UsageError)):
        llmspell.run_sync("for i = 1, 1000 do end return 'no limit'", limits={"steps": 0.5})


@pytest.mark.parametrize("value", [None, "none", "off"])
def test_the_depth_cannot_be_lifted(value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        read_limit("depth", value)
    assert str(caught.value) == "the limit depth cannot be lifted"


def test_limits_are_updated_by_name() -> None:
    changed = Limits().updated({"time": "2m", "memory": "1MB", "steps": 5, "cost": None})
    assert changed == Limits()._replace(time=120.0, memory=10**6, steps=5, cost=None)
    assert Limits().updated({}) == Limits()


def test_an_unknown_limit_names_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        Limits().updated({"seconds": 5})
    assert str(caught.value) == (
        "'seconds' is not a limit: use one of calls, cost, cpu, depth, disk, memory, output, "
        "profile, steps, tasks, time, tokens, warn"
    )


def test_every_level_has_limits_and_the_lowest_the_tightest() -> None:
    assert set(LEVEL_LIMITS) == set(LEVELS)
    low, middle = LEVEL_LIMITS["untrusted"], LEVEL_LIMITS["trusted"]
    for name in ("time", "memory", "output", "calls", "tasks"):
        assert getattr(low, name) < getattr(middle, name), name
    assert [level.depth for level in LEVEL_LIMITS.values()] == [32, 32, 32]


def test_every_limit_is_documented() -> None:
    for name in Limits._fields:
        assert f"\n    {name}: " in (Limits.__doc__ or "")


# Usage and the meter. -----------------------------------------------------------------------------


def test_usage_is_plain_data() -> None:
    usage = Usage()
    told = usage.as_dict()
    assert json.loads(json.dumps(told)) == told
    assert set(told) == set(Usage.__slots__)
    assert all(value == 0 for value in told.values())
    usage.calls = 3
    assert usage.as_dict()["calls"] == 3
    assert "'calls': 3" in repr(usage)


def test_calls_are_counted_up_to_the_limit() -> None:
    meter = Meter(Limits(calls=2))
    meter.charge_call()
    meter.charge_call()
    with pytest.raises(CallLimit, match="call limit of 2 calls"):
        meter.charge_call()
    free = Meter(Limits(calls=None))
    for _ in range(1000):
        free.charge_call()
    assert free.usage.calls == 1000


@pytest.mark.parametrize(
    ("limit", "texts", "kept"),
    [
        (10, ["12345", "67890"], ["12345", "67890"]),
        (9, ["12345", "67890"], ["12345", "6789"]),
        (5, ["12345", "67890", "x"], ["12345", "", ""]),
        (1, ["é"], [""]),
        (2, ["é"], ["é"]),
        (3, ["éé"], ["é"]),
        (5, ["a😀b"], ["a😀"]),
        (4, ["a😀b"], ["a"]),
        (None, ["x" * 1000], ["x" * 1000]),
        (3, ["", "abc", ""], ["", "abc", ""]),
    ],
)
def test_output_is_cut_at_the_limit_between_characters(
    limit: int | None, texts: list[str], kept: list[str]
) -> None:
    meter = Meter(Limits(output=limit))
    assert [meter.charge_output(text) for text in texts] == kept
    assert meter.usage.output == sum(len(text.encode()) for text in texts)


@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(1, 40), st.lists(st.text("aé€😀", max_size=8), max_size=8))
def test_output_never_exceeds_its_limit(limit: int, texts: list[str]) -> None:
    meter = Meter(Limits(output=limit))
    kept = [meter.charge_output(text) for text in texts]
    assert sum(len(text.encode()) for text in kept) <= limit
    for text, part in zip(texts, kept, strict=True):
        assert text.startswith(part)
    if sum(len(text.encode()) for text in texts) <= limit:
        assert kept == texts


def test_what_is_reserved_is_replaced_by_what_was_used() -> None:
    meter = Meter(Limits(tokens=100, cost=1.0))
    first = meter.reserve(60, 0.5)
    assert (meter.reserved_tokens, meter.reserved_cost) == (60, 0.5)
    with pytest.raises(BudgetExceeded) as caught:
        meter.reserve(41, 0.25)
    assert caught.value.message == (
        "the spell reached its budget limit of 100 tokens; "
        "raise it with --limit tokens=N or --limit cost=DOLLARS"
    )
    with pytest.raises(BudgetExceeded, match=r"budget limit of \$1;"):
        meter.reserve(40, 0.75)
    assert (meter.reserved_tokens, meter.reserved_cost) == (60, 0.5), "a refusal reserves nothing"
    first.settle(10, 20, 0.25)
    usage = meter.usage
    assert (meter.reserved_tokens, meter.reserved_cost, meter.spent_cost) == (0, 0.0, 0.25)
    assert (usage.input_tokens, usage.output_tokens, usage.cost) == (10, 20, 0.25)
    assert usage.model_calls == 1
    meter.reserve(70, 0.75)
    with pytest.raises(BudgetExceeded):
        meter.reserve(1, 0.0)


def test_a_release_gives_everything_back_once() -> None:
    meter = Meter(Limits(tokens=100, cost=1.0))
    reservation = meter.reserve(100, 1.0)
    for _ in range(3):
        reservation.release()
        assert (meter.reserved_tokens, meter.reserved_cost) == (0, 0.0)
    assert meter.usage.as_dict() == Usage().as_dict(), "it used nothing"
    meter.reserve(100, 1.0)


def test_without_limits_nothing_is_refused() -> None:
    meter = Meter(Limits(tokens=None, cost=None))
    meter.reserve(10**12, 10.0**9).settle(10**12, 0, 10.0**9)
    assert meter.usage.input_tokens == 10**12


def test_an_unknown_cost_stays_unknown() -> None:
    meter = Meter(Limits(cost=1.0))
    meter.reserve(1, 0.5).settle(1, 1, 0.5)
    assert meter.usage.cost == 0.5
    meter.reserve(1, None).settle(1, 1, None)
    assert meter.usage.cost is None
    meter.reserve(1, 0.25).settle(1, 1, 0.25)
    assert meter.usage.cost is None
    assert meter.usage.model_calls == 3
    assert meter.spent_cost == 0.75, "what is known still counts against the budget"
    with pytest.raises(BudgetExceeded):
        meter.reserve(1, 0.5)


actions = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release"]),
        st.integers(0, 60),
        st.integers(0, 60),
        st.integers(0, 7),
    ),
    max_size=40,
)


@settings(max_examples=250, deadline=None, database=None)
@given(st.integers(1, 120), st.integers(1, 120), actions)
def test_calls_in_flight_never_overshoot_together(
    tokens: int, eighths: int, steps: list[tuple[str, int, int, int]]
) -> None:
    # Dollars in eighths are exact as floats. A call never uses more than it reserved.
    meter = Meter(Limits(tokens=tokens, cost=eighths / 8))
    open_: list[tuple[Reservation, int, float]] = []
    used, spent = 0, 0.0
    for action, size, price, pick in steps:
        reserved = sum(t for _, t, _ in open_), sum(c for _, _, c in open_)
        if action == "reserve":
            fits = used + reserved[0] + size <= tokens and (
                spent + reserved[1] + price / 8 <= eighths / 8
            )
            try:
                open_.append((meter.reserve(size, price / 8), size, price / 8))
                assert fits, "more was reserved than there is"
            except BudgetExceeded:
                assert not fits, "what fits was refused"
        elif open_:
            reservation, most, dearest = open_.pop(pick % len(open_))
            if action == "release":
                reservation.release()
            else:
                taken, cost = min(size, most), min(price / 8, dearest)
                reservation.settle(taken // 2, taken - taken // 2, cost)
                used, spent = used + taken, spent + cost
        assert meter.usage.input_tokens + meter.usage.output_tokens == used <= tokens
        assert meter.usage.cost == meter.spent_cost == spent <= eighths / 8
        assert meter.reserved_tokens == sum(t for _, t, _ in open_) <= tokens - used
        assert meter.reserved_cost == sum(c for _, _, c in open_) <= eighths / 8 - spent


def test_a_limit_given_by_a_caller_ends_as_a_usage_error() -> None:
    for limits in ({"time": "soon"}, {"speed": 5}, {"memory": 0}):
        with pytest.raises(LlmspellError) as caught:
            llmspell.run_sync("return 1", limits=limits)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("engine", ["lua54", "javascript", "tengo"])
@pytest.mark.parametrize(("isolation", "levels"), [("none", 200), ("process", 32)])
def test_a_limit_of_depth_is_kept_wherever_a_spell_runs(
    engine: str, isolation: str, levels: int
) -> None:
    nested = {
        "lua54": "local t = {} for i = 2, params.n do t = {t} end return t",
        "javascript": "let t = []; for (let i = 1; i < params.n; i++) t = [t]; export default t",
        "tengo": "t := []; for i := 1; i < params.n; i++ { t = [t] }; export t",
    }[engine]

    async def go() -> None:
        async with llmspell.Session(
            engine=engine, isolation=isolation, limits={"depth": 200}
        ) as session:
            assert (await session.attempt(nested, {"n": levels})).error is None
            over = await session.attempt(nested, {"n": levels + 1})
            assert f"is nested too deep (more than {levels} levels)" in str(over.error)

    asyncio.run(go())


def test_a_limit_of_depth_has_a_bound() -> None:
    with pytest.raises(llmspell.UsageError, match="limit depth: must be at most 200, got 201"):
        llmspell.Session(limits={"depth": 201})
