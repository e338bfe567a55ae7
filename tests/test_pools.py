"""Pools: each strategy, limits and health, against servers that fail on cue."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from llmspell import Session
from llmspell.errors import (
    BadArgument,
    BudgetExceeded,
    CapabilityError,
    HostFailure,
    NotFound,
    ProviderFailure,
)
from llmspell.host.llm.messages import Message, ModelOptions, Reply
from llmspell.host.llm.models import Models
from llmspell.host.pools import agreement
from llmspell.host.pools.pools import MAX_MEMBERS, Pool, PoolMember, PoolOptions
from llmspell.host.pools.rates import Rate
from llmspell.host.pools.roster import MAX_OWN, Roster
from llmspell.host.settings import Environment, ProviderSettings, Settings
from llmspell.limits import Limits, Meter
from llmspell.testing.servers import ModelServer

T = TypeVar("T")
HELLO = [Message("user", "hello there")]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens: the port is taken, and refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


class Bench:
    """A run with a pool over a real server, `local`, and one that is not there, `gone`."""

    def __init__(self, server: ModelServer, nowhere: str, **limits: Any) -> None:
        providers = {
            "local": ProviderSettings("openai_compatible", server.url + "/v1", "LOCAL_KEY"),
            "gone": ProviderSettings("openai_compatible", nowhere + "/v1", "LOCAL_KEY"),
            "gem": ProviderSettings("gemini", server.url, "LOCAL_KEY"),
        }
        environment = Environment({"LOCAL_KEY": "some-key", "OPENAI_API_KEY": ""})
        self.models = Models(Settings(providers=providers, timeout=20), environment)
        self.meter = Meter(Limits(**limits))
        self.server = server
        self.roster = Roster(self.models, self.meter, lambda kind, what: None, lambda: None)  # type: ignore[arg-type,return-value]

    async def name(self, wanted: str | None) -> str:
        return await self.models.name(wanted)

    async def pool(
        self, *members: str | PoolMember, strategy: Any = "fallback", **options: Any
    ) -> Pool:
        given = [m if isinstance(m, PoolMember) else PoolMember(m) for m in members]
        count = len(self.roster.pools)
        return await self.roster.pool(
            f"p{count}", given, strategy, PoolOptions(**options), self.name
        )

    async def ask(self, pool: Pool, text: str = "hello there", **options: Any) -> Reply:
        return await self.models.request(
            pool.name, [Message("user", text)], ModelOptions(**options), self.meter
        )

    async def read(self, pool: Pool) -> tuple[list[str], Reply | None]:
        stream = self.models.stream(pool.name, HELLO, ModelOptions(), self.meter)
        pieces = []
        while (piece := await stream.next()) is not None:
            pieces.append(piece)
        return pieces, stream.reply

    def asked(self) -> list[str]:
        """The models that were asked, in order."""
        return [request.body["model"] for request in self.server.requests]


@pytest.fixture
def bench(server: ModelServer, nowhere: str) -> Bench:
    return Bench(server, nowhere)


def run(bench: Bench, use: Callable[[Bench], Awaitable[T]]) -> T:
    async def whole() -> T:
        before = len(asyncio.all_tasks())
        try:
            async with asyncio.timeout(60):
                return await use(bench)
        finally:
            await bench.models.aclose()
            assert len(asyncio.all_tasks()) == before, "a task is left behind"

    return asyncio.run(whole())


def failure(caught: pytest.ExceptionInfo[CapabilityError]) -> dict[str, Any]:
    context: dict[str, Any] = caught.value.details["context"]
    return context


# Fallback

BAD = ["fail-500", "fail-503", "rate-limit", "malformed", "malformed-shape", "drop", "nothing-here"]


@pytest.mark.parametrize("bad", [f"local/{name}" for name in BAD] + ["gone/any"])
def test_fallback_asks_the_next_after_each_kind_of_failure(bench: Bench, bad: str) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(bad, "local/echo")
        reply = await bench.ask(pool)
        assert (reply.content, reply.model) == ("echo: hello there", "local/echo")
        pieces, streamed = await bench.read(pool)
        assert "".join(pieces) == "echo: hello there"
        assert streamed is not None and streamed.model == "local/echo"
        first, second = pool.metrics()
        assert first.failures >= 1 and first.last_error is not None and first.output_tokens == 0
        assert (second.requests, second.failures, second.output_tokens) == (2, 0, 6)

    run(bench, use)


def test_fallback_asks_only_the_first_while_it_answers(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/say-one", "local/say-two")
        assert [(await bench.ask(pool)).content for _ in range(3)] == ["one"] * 3
        assert bench.asked() == ["say-one"] * 3

    run(bench, use)


def test_one_bad_provider_costs_no_more_than_its_timeout(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(PoolMember("local/slow-50000", timeout=0.3), "local/echo")
        began = time.monotonic()
        assert (await bench.ask(pool)).content == "echo: hello there"
        pieces, _ = await bench.read(pool)
        assert "".join(pieces) == "echo: hello there"
        assert 0.6 <= time.monotonic() - began < 20
        assert pool.metrics()[0].last_error == "timeout"
        # Nobody waited for the slow one any more, and it costs what was sent to it.
        slow = bench.models.tallies.of(bench.meter)["local"]
        assert slow.cancelled == 2
        assert bench.meter.usage.model_calls == 4

    run(bench, use)


def test_a_failure_of_the_request_is_no_reason_to_go_on(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/fail-400", "local/echo")
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(pool)
        assert caught.value.code == "rejected"
        assert bench.asked() == ["fail-400"]
        assert (await pool.health())[0].available, "its health is not in doubt"

        chosen = await bench.pool("local/fail-400", "local/echo", on=["rejected"])
        assert (await bench.ask(chosen)).content == "echo: hello there"
        only = await bench.pool("local/fail-500", "local/echo", on=["rate_limited"])
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(only)
        assert caught.value.code == "server_error"

    run(bench, use)


def test_a_model_without_key_is_passed_over(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("openai/gpt-6-luna", "local/echo")
        assert (await bench.ask(pool)).model == "local/echo"
        assert pool.metrics()[0].last_error == "key_missing"

    run(bench, use)


def test_a_model_that_takes_no_such_options_is_passed_over(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        for members in (("gem/echo", "local/echo"), ("local/fail-500", "gem/echo", "local/echo")):
            pool = await bench.pool(*members)
            reply = await bench.ask(pool, provider_options={"logprobs": True})
            assert reply.model == "local/echo"
            assert bench.server.requests[-1].body["logprobs"] is True
        assert not bench.server.count("/v1beta"), "none is asked without the options it was given"

    run(bench, use)


def test_when_all_fail_the_error_tells_of_each(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/fail-500", "gone/any")
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(pool)
        error = caught.value
        assert (error.code, error.retryable) == ("pool_failed", True)
        assert "local/fail-500: server_error; gone/any: unreachable" in error.message
        told = {"local/fail-500": "server_error", "gone/any": "unreachable"}
        assert failure(caught)["failures"] == told

    run(bench, use)


def test_a_stream_that_breaks_off_later_is_not_begun_again(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/stream-break", "local/echo")
        stream = bench.models.stream(pool.name, HELLO, ModelOptions(), bench.meter)
        assert (await stream.next() or "").startswith("one")
        with pytest.raises(ProviderFailure):
            while await stream.next() is not None:
                pass
        assert bench.asked() == ["stream-break"]
        broken = pool.metrics()[0]
        assert (broken.failures, broken.last_error, broken.active) == (1, "unreachable", 0)

    run(bench, use)


# Taking turns


def test_round_robin_takes_turns(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/say-a", "local/fail-500", "local/say-c", strategy="round_robin"
        )
        said = [(await bench.ask(pool)).content for _ in range(6)]
        assert said == ["a", "c", "c"] * 2

    run(bench, use)


def test_weighted_keeps_the_shares(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            PoolMember("local/say-a", weight=3),
            PoolMember("local/say-b", weight=1),
            PoolMember("local/say-never", weight=0),
            strategy="weighted",
        )
        said = "".join([(await bench.ask(pool)).content for _ in range(8)])
        assert (said.count("a"), said.count("b"), len(said)) == (6, 2, 8)
        assert "aaaa" not in said, "the shares are spread"
        pool.set_weight("local/say-a", 0)
        assert {(await bench.ask(pool)).content for _ in range(4)} == {"b"}
        pool.set_weight("local/say-b", 0)
        with pytest.raises(CapabilityError):
            await bench.ask(pool)
        with pytest.raises(NotFound, match="did you mean local/say-a"):
            pool.set_weight("local/say-aa", 1)
        with pytest.raises(BadArgument, match="weight"):
            pool.set_weight("local/say-a", -1)

    run(bench, use)


def test_a_dead_model_gives_its_turns_and_its_share_to_all_others(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        members = ("local/say-a", "local/say-b", "local/fail-500")
        for strategy in ("weighted", "round_robin"):
            pool = await bench.pool(*members, strategy=strategy, failure_threshold=1)
            await asyncio.gather(*(bench.ask(pool) for _ in range(3)))
            assert (await pool.health())[2].state == "open"
            said = [(await bench.ask(pool)).content for _ in range(6)]
            assert sorted(said) == ["a", "a", "a", "b", "b", "b"], strategy

    run(bench, use)


def test_to_wait_takes_no_turn(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            PoolMember("local/busy-1", weight=3), PoolMember("local/away-1", weight=1),
            strategy="weighted",
        )  # fmt: skip
        await bench.ask(pool)  # both refuse, it waits, and asks the heavier one again
        while any([await member.wait(1) for member in pool.members]):
            await asyncio.sleep(0.01)
        said = [(await bench.ask(pool)).model for _ in range(4)]
        assert sorted(said) == ["local/away-1", *["local/busy-1"] * 3]

    run(bench, use)


def test_least_used_counts_a_stream_until_its_end(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/drip-200", "local/say-b", strategy="least_used")
        stream = bench.models.stream(pool.name, HELLO, ModelOptions(), bench.meter)
        assert (await stream.next() or "").startswith("one")
        assert {(await bench.ask(pool)).content for _ in range(3)} == {"b"}
        assert pool.metrics()[0].active == 1
        while await stream.next() is not None:
            pass
        assert (pool.metrics()[0].active, pool.metrics()[0].output_tokens) == (0, 4)

    run(bench, use)


def test_least_used_asks_whoever_is_idle(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/slow-1500", "local/say-b", strategy="least_used")
        slow = asyncio.create_task(bench.ask(pool))
        while not bench.server.requests:
            await asyncio.sleep(0.005)
        assert {(await bench.ask(pool)).content for _ in range(3)} == {"b"}
        assert (await slow).content == "slow"

    run(bench, use)


# All at once


def test_fastest_cancels_the_losers_and_charges_what_they_used(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/slow-30000", "local/fail-500", "local/slow-100", strategy="fastest"
        )
        began = time.monotonic()
        reply = await bench.ask(pool)
        assert (reply.content, reply.model) == ("slow", "local/slow-100")
        assert time.monotonic() - began < 20
        slow, failing, quick = pool.metrics()
        assert (slow.cancelled, failing.failures, quick.output_tokens) == (1, 1, 1)
        assert all(tally.active == 0 for tally in bench.models.tallies.of(bench.meter).values())
        # The winner, and what was sent to the one that was cancelled; the one that failed is free.
        assert bench.meter.usage.model_calls == 2
        assert bench.meter.usage.output_tokens == 1
        assert bench.meter.reserved_tokens == 0
        pieces, streamed = await bench.read(pool)
        assert "".join(pieces) == "slow"
        assert streamed is not None and streamed.model == "local/slow-100"

    run(bench, use)
    end = time.monotonic() + 20
    while bench.server.open_connections and time.monotonic() < end:
        time.sleep(0.01)
    assert bench.server.open_connections == 0, "the losers' connections are closed"


def test_a_stream_of_the_fastest_comes_as_it_is_said(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/slow-30000", "local/fail-500", "local/drip-100", strategy="fastest"
        )
        pieces, reply = await bench.read(pool)
        assert len(pieces) > 1, "not in one piece"
        assert "".join(pieces) == "one two three four"
        assert reply is not None and (reply.model, reply.output_tokens) == ("local/drip-100", 4)
        slow, failing, quick = pool.metrics()
        assert (slow.cancelled, failing.failures, quick.output_tokens) == (1, 1, 4)
        assert all(metrics.active == 0 for metrics in (slow, failing, quick))
        # The winner, and what was sent to the one that was cancelled; the one that failed is free.
        assert (bench.meter.usage.model_calls, bench.meter.usage.output_tokens) == (2, 4)
        assert bench.meter.reserved_tokens == 0

    run(bench, use)
    end = time.monotonic() + 20
    while bench.server.open_connections and time.monotonic() < end:
        time.sleep(0.01)
    assert bench.server.open_connections == 0


def test_of_streams_that_begin_together_one_is_told(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        names = [f"local/say-{'-'.join([letter] * 200)}" for letter in "abcdef"]
        pool = await bench.pool(*names, strategy="fastest")
        for _ in range(5):
            pieces, reply = await bench.read(pool)
            assert reply is not None and reply.content == "".join(pieces)
            assert len(set(reply.content.split())) == 1 and len(reply.content.split()) == 200
        assert all(metrics.active == 0 for metrics in pool.metrics())
        assert bench.meter.reserved_tokens == 0

    run(bench, use)


def test_a_stream_of_the_fastest_is_closed_early_and_fails_as_any(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/drip-1000", "local/slow-30000", strategy="fastest")
        stream = bench.models.stream(pool.name, HELLO, ModelOptions(), bench.meter)
        assert (await stream.next() or "").startswith("one")
        await stream.close()
        assert [metrics.active for metrics in pool.metrics()] == [0, 0]
        bad = await bench.pool("local/fail-500", "gone/any", strategy="fastest")
        with pytest.raises(ProviderFailure) as caught:
            await bench.read(bad)
        assert caught.value.code == "pool_failed"
        broken = await bench.pool("local/stream-break", strategy="fastest")
        stream = bench.models.stream(broken.name, HELLO, ModelOptions(), bench.meter)
        assert (await stream.next() or "").startswith("one")
        with pytest.raises(ProviderFailure):
            while await stream.next() is not None:
                pass

    run(bench, use)
    end = time.monotonic() + 20
    while bench.server.open_connections and time.monotonic() < end:
        time.sleep(0.01)
    assert bench.server.open_connections == 0


def test_fastest_cancelled_leaves_nothing_behind(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/slow-30000", "local/slow-30001", strategy="fastest")
        task = asyncio.create_task(bench.ask(pool))
        while len(bench.server.requests) < 2:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert [metrics.cancelled for metrics in pool.metrics()] == [1, 1]
        assert (await pool.health())[0].available, "to be cancelled is no failure"

    run(bench, use)


def test_consensus_by_majority(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/say-Paris", "local/say-Lyon", "local/say-paris.", strategy="consensus"
        )
        reply = await bench.ask(pool)
        assert (reply.content, reply.model) == ("Paris", "local/say-Paris")
        assert sorted(bench.asked()) == ["say-Lyon", "say-Paris", "say-paris."]
        split = await bench.pool("local/say-one", "local/say-two", strategy="consensus")
        with pytest.raises(HostFailure) as caught:
            await bench.ask(split)
        assert caught.value.code == "no_consensus"
        assert failure(caught)["answers"] == {"local/say-one": "one", "local/say-two": "two"}

    run(bench, use)


def test_consensus_by_similarity(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        members = (
            "local/say-bananas",
            "local/say-the-sky-is-blue-today",
            "local/say-today-the-sky-is-blue",
        )
        loose = await bench.pool(
            *members, strategy="consensus", agreement="similarity", threshold=0.9
        )
        assert (await bench.ask(loose)).content == "the sky is blue today"
        other = await bench.pool(
            "local/say-the-sky-is-blue", "local/say-the-sea-is-wet",
            strategy="consensus", agreement="similarity", threshold=0.9,
        )  # fmt: skip
        with pytest.raises(HostFailure, match="do not agree"):
            await bench.ask(other)

    run(bench, use)


def test_consensus_by_a_judge(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/say-wrong", "local/say-right",
            strategy="consensus", agreement="judge", judge="local/say-Answer-2",
        )  # fmt: skip
        assert (await bench.ask(pool, "which is it?")).content == "right"
        asked = bench.server.requests[-1].body["messages"][-1]["content"]
        assert "which is it?" in asked and "Answer 2:\nright" in asked
        assert bench.meter.usage.model_calls == 3, "the judge is charged too"
        bad = await bench.pool(
            "local/say-wrong", "local/say-right",
            strategy="consensus", agreement="judge", judge="local/say-neither",
        )  # fmt: skip
        with pytest.raises(HostFailure, match="do not agree"):
            await bench.ask(bad)

    run(bench, use)


def test_a_judge_is_one_of_the_providers_that_may_fail(bench: Bench) -> None:
    async def judged(bench: Bench, judge: str) -> ProviderFailure:
        pool = await bench.pool(
            "local/say-a", "local/say-b",
            strategy="consensus", agreement="judge", judge=judge, timeout=0.5,
        )  # fmt: skip
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(pool)
        return caught.value

    async def use(bench: Bench) -> None:
        began = time.monotonic()
        slow = await judged(bench, "local/slow-30000")
        assert time.monotonic() - began < 15, "it costs no more than its timeout"
        assert (slow.code, slow.message.partition(" ")[0]) == ("timeout", "local/slow-30000")
        failing = await judged(bench, "local/fail-500")
        assert (failing.code, failing.message.partition(" ")[0]) == ("server_error", "local")
        gone = await judged(bench, "gone/any")
        assert "cannot talk to gone at http://127.0.0.1" in gone.message

    run(bench, use)


def test_consensus_without_enough_answers(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/say-one", "local/fail-500", "gone/any", strategy="consensus")
        with pytest.raises(ProviderFailure, match="only 1 answered") as caught:
            await bench.ask(pool)
        assert caught.value.code == "pool_failed"
        slow = await bench.pool(
            "local/say-one", "local/say-one.", PoolMember("local/slow-30000", timeout=0.2),
            strategy="consensus",
        )  # fmt: skip
        assert (await bench.ask(slow)).content == "one", "a slow one costs its timeout only"

    run(bench, use)


def test_no_consensus_is_begun_that_cannot_be_found(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        limited = [PoolMember(f"local/say-{n}", requests_per_minute=1) for n in ("x", "x.")]
        pool = await bench.pool(
            *limited, "local/say-X", strategy="consensus", when_limited="refuse", min_answers=2
        )
        assert (await bench.ask(pool)).content == "x"
        with pytest.raises(ProviderFailure, match="only 1 of 2 may be asked now") as caught:
            await bench.ask(pool)
        assert caught.value.code == "rate_limited" and failure(caught)["retry_after"] > 50
        assert len(bench.asked()) == 3, "the one that may be asked was not"

    run(bench, use)


def test_a_budget_ends_a_consensus_at_once(server: ModelServer, nowhere: str) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/slow-30000", "local/say-b", strategy="consensus")
        began = time.monotonic()
        with pytest.raises(BudgetExceeded):
            await bench.ask(pool)
        assert time.monotonic() - began < 15
        assert bench.meter.reserved_tokens == 0

    run(Bench(server, nowhere, tokens=200), use)


@pytest.mark.parametrize(
    ("answers", "threshold", "index"),
    [
        (["a b c", "a b c d", "x"], 0.8, 0),
        (["", "", "x"], 0.8, 0),
        (["a", "b", "c"], 0.5, None),
        (["a"], 1.0, 0),
    ],
)
def test_similar(answers: list[str], threshold: float, index: int | None) -> None:
    assert agreement.similar(answers, threshold) == index


def test_comparing_long_answers_takes_no_time() -> None:
    long = ["word " * 200_000] * 16
    began = time.process_time()
    assert agreement.similar(long, 0.5) == 0
    assert agreement.majority(long) == 0
    assert time.process_time() - began < 5


# Health


def test_a_failing_model_is_left_alone_and_tried_again(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/fail-first-3", "local/echo", failure_threshold=2, reset_timeout=0.5
        )
        for _ in range(5):
            assert (await bench.ask(pool)).model == "local/echo"
        assert bench.asked().count("fail-first-3") == 2, "two failures open it"
        state = (await pool.health())[0]
        assert (state.state, state.available, state.last_error) == ("open", False, "server_error")
        assert 0 < state.retry_after <= 0.5
        await asyncio.sleep(0.6)
        assert (await pool.health())[0].state == "half_open"
        assert (await bench.ask(pool)).model == "local/echo", "the third failure opens it again"
        assert (await pool.health())[0].state == "open"
        await asyncio.sleep(0.6)
        assert (await bench.ask(pool)).model == "local/fail-first-3", "now it answers"
        assert (await pool.health())[0].state == "closed"
        assert bench.asked().count("fail-first-3") == 4

    run(bench, use)


def test_reset_forgets_failures(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/fail-500", "local/echo", failure_threshold=1)
        await bench.ask(pool)
        assert (await pool.health())[0].state == "open"
        pool.reset()
        assert (await pool.health())[0].state == "closed"
        assert [metrics.requests for metrics in pool.metrics()] == [0, 0]

    run(bench, use)


def test_half_open_lets_one_through_at_a_time(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(
            "local/fail-500", "local/echo", failure_threshold=1, reset_timeout=0.2
        )
        await bench.ask(pool)
        await asyncio.sleep(0.3)
        replies = await asyncio.gather(*(bench.ask(pool) for _ in range(5)))
        assert {reply.model for reply in replies} == {"local/echo"}
        assert bench.asked().count("fail-500") == 2

    run(bench, use)


def test_who_comes_while_a_model_is_tried_waits_for_that(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/fail-first-1", failure_threshold=1, reset_timeout=0.2)
        with pytest.raises(ProviderFailure):
            await bench.ask(pool)
        await asyncio.sleep(0.3)
        replies = await asyncio.gather(*(bench.ask(pool) for _ in range(5)))
        assert {reply.content for reply in replies} == {"echo: hello there"}
        told = pool.metrics()[0]
        assert (told.requests, told.failures) == (6, 1) and len(bench.asked()) == 6

    run(bench, use)


# Retry-After and limits a minute


def test_retry_after_of_a_provider_that_is_away_is_waited_for(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        began = time.monotonic()
        assert (await bench.ask(await bench.pool("local/away-1"))).content == "echo: hello there"
        assert time.monotonic() - began >= 1
        pool = await bench.pool("local/away-300", "local/echo")
        await bench.ask(pool)
        assert 290 < (await pool.health())[0].retry_after <= 300

    run(bench, use)


def test_retry_after_is_waited_for(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/busy-1")
        began = time.monotonic()
        assert (await bench.ask(pool)).content == "echo: hello there"
        assert time.monotonic() - began >= 1
        assert bench.asked() == ["busy-1", "busy-1"]

    run(bench, use)


def test_retry_after_leaves_a_model_alone_meanwhile(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/busy-300", "local/echo")
        for _ in range(3):
            assert (await bench.ask(pool)).model == "local/echo"
        assert bench.asked().count("busy-300") == 1
        told = (await pool.health())[0]
        assert not told.available and 290 < told.retry_after <= 300
        alone = await bench.pool("local/busy-301", when_limited="refuse")
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(alone)
        assert (caught.value.code, failure(caught)["retry_after"]) == ("rate_limited", 301)
        with pytest.raises(ProviderFailure, match="try again in 30") as caught:
            await bench.ask(alone)
        assert 290 < failure(caught)["retry_after"] <= 301
        assert bench.asked().count("busy-301") == 1, "it was refused here"

    run(bench, use)


def test_requests_per_minute(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        limited = PoolMember("local/say-a", requests_per_minute=2)
        pool = await bench.pool(limited, "local/say-b")
        assert [(await bench.ask(pool)).content for _ in range(4)] == ["a", "a", "b", "b"]
        alone = await bench.pool(limited, when_limited="refuse")
        await asyncio.gather(bench.ask(alone), bench.ask(alone))
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(alone)
        assert caught.value.code == "rate_limited" and caught.value.retryable
        assert 50 < failure(caught)["retry_after"] <= 61
        waiting = await bench.pool(PoolMember("local/say-c", requests_per_minute=1))
        await bench.ask(waiting)
        task = asyncio.create_task(bench.ask(waiting))
        await asyncio.sleep(0.2)
        assert not task.done(), "it waits for the minute to end"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(bench, use)


def test_tokens_per_minute(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool(PoolMember("local/echo", tokens_per_minute=12), "local/say-b")
        # Two words in and three out were reported: five tokens each.
        said = [(await bench.ask(pool)).model for _ in range(4)]
        assert said == ["local/echo", "local/echo", "local/say-b", "local/say-b"]

    run(bench, use)


def test_a_rate_holds_in_every_minute() -> None:
    rate, now, made = Rate(10, None), 1000.3, list[float]()
    while len(made) < 60:
        wait = rate.wait(1, now)
        assert 0 <= wait <= 61
        if wait:
            now += wait
            assert rate.wait(1, now) == 0, "it may after the wait it has told"
        rate.take(1, now)
        made.append(now)
        now += 1.7
    for start in made:
        assert sum(start <= moment < start + 60 for moment in made) <= 10


def test_a_rate_of_tokens() -> None:
    rate = Rate(None, 100)
    assert rate.wait(1000, 5.0) == 0, "one that never fits may be tried alone"
    rate.take(60, 5.0)
    assert rate.wait(40, 6.0) == 0
    assert rate.wait(41, 6.0) == pytest.approx(60.0)
    rate.take(-30, 6.0, requests=0)
    rate.take(30, 7.0)
    assert rate.wait(40, 8.0) == 0
    assert rate.wait(41, 8.0) > 0


def test_a_guess_is_corrected_in_a_later_second_too() -> None:
    rate = Rate(None, 1000)
    rate.take(300, 0.2)
    rate.take(600, 1.2)
    assert rate.wait(500, 2.0) > 0
    rate.take(-500, 2.2, requests=0)
    assert rate.wait(600, 2.3) == 0
    assert rate.wait(601, 2.3) == pytest.approx(61 - 2.3), "what was given back was the latest"
    rate.take(-900, 3.2, requests=0)
    rate.take(1000, 3.3)
    assert rate.wait(1, 3.4) > 0, "no more is given back than was taken"


def test_a_refusal_for_no_time_is_asked_again_at_once(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/rate-once")
        assert (await bench.ask(pool)).content == "echo: hello there"
        assert bench.asked() == ["rate-once"] * 2
        always = await bench.pool("local/rate-limit")
        began = time.monotonic()
        with pytest.raises(ProviderFailure) as caught:
            await bench.ask(always)
        assert caught.value.code == "rate_limited"
        assert bench.asked().count("rate-limit") == 5, "it does not come back for ever"
        assert time.monotonic() - began >= 4

    run(bench, use)


def test_all_at_once_keep_the_limits_too(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        members = [PoolMember(f"local/say-{n}", requests_per_minute=3) for n in range(2)]
        pool = await bench.pool(*members, strategy="fastest", when_limited="refuse")
        asked = [bench.ask(pool) for _ in range(8)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(item, Reply) for item in done) == 3
        assert all(metrics.requests == 3 for metrics in pool.metrics())

    run(bench, use)


# Bounds


def test_a_pool_keeps_the_budget(server: ModelServer, nowhere: str) -> None:
    async def use(bench: Bench) -> None:
        for strategy in ("fallback", "fastest", "consensus"):
            pool = await bench.pool("local/say-a", "local/say-b", strategy=strategy)
            with pytest.raises(BudgetExceeded):
                await bench.ask(pool, "a very long question " * 100)
        assert bench.server.requests == [], "nothing was sent"
        assert bench.meter.reserved_tokens == 0

    run(Bench(server, nowhere, tokens=200), use)


def test_what_is_no_pool_is_refused(bench: Bench) -> None:
    async def use(bench: Bench) -> None:
        pool = await bench.pool("local/echo")
        with pytest.raises(BadArgument, match="1 to 16 models, got 0"):
            await bench.pool()
        with pytest.raises(BadArgument, match="got 17"):
            await bench.pool(*(f"local/say-{n}" for n in range(MAX_MEMBERS + 1)))
        with pytest.raises(BadArgument, match="local/echo is there twice: a pool has each"):
            await bench.pool("local/echo", "local/echo")
        with pytest.raises(ProviderFailure, match="names no model"):
            await bench.pool("locl/echo")
        with pytest.raises(BadArgument, match="as many models"):
            await bench.pool("local/echo", strategy="consensus")
        with pytest.raises(BadArgument, match="there already"):
            await bench.roster.pool(
                "p0", [PoolMember("local/echo")], "fallback", PoolOptions(), bench.name
            )

        async def any_name(wanted: str | None) -> str:
            return wanted or ""

        with pytest.raises(BadArgument, match="cannot be in a pool"):
            await bench.roster.pool(
                "q", [PoolMember(pool.name)], "fallback", PoolOptions(), any_name
            )
        for bad in ({"timeout": 0}, {"on": ["rate_limitd"]}, {"agreement": "judge"},
                    {"judge": "x"}, {"threshold": 2}, {"failure_threshold": 0}):  # fmt: skip
            with pytest.raises(ValueError, match=next(iter(bad))):
                PoolOptions(**bad)
        while len(bench.roster.pools) < MAX_OWN:
            await bench.pool("local/echo")
        with pytest.raises(BadArgument, match=f"at most {MAX_OWN}"):
            await bench.pool("local/echo")
        assert bench.roster.remove(pool.name)
        assert not bench.roster.remove(pool.name)

    run(bench, use)


def test_a_pool_goes_with_its_run(server: ModelServer, nowhere: str) -> None:
    async def use(bench: Bench) -> None:
        await bench.ask(await bench.pool("local/echo"))
        models = bench.models
        bench.meter = bench.roster = None  # type: ignore[assignment]
        import gc

        gc.collect()
        assert len(models.rosters) == 0
        assert len(models.tallies._runs) == 0

    run(Bench(server, nowhere), use)


# In spells


def spell(server: ModelServer, source: str, **options: Any) -> Any:
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    settings = Settings(providers={"local": local})
    return Session(settings=settings, **options).run_sync(source).value


POOL = 'local pool = llm.pool.create("p", {"local/fail-500", "local/%s"})\n'


def test_agents_use_a_pool_and_its_tools(server: ModelServer) -> None:
    source = (
        POOL % "tools"
        + """
        local helper = agent.create({ model = pool, tools = { "calculator" } })
        local reply = helper:run("what is 1?")
        return { reply.tool_calls[1].name, reply.content:match("^tool said") ~= nil,
          pool:metrics()[2].requests }
    """
    )
    assert spell(server, source) == ["calculator", True, 2]


def test_an_agent_keeps_its_own_limits_through_a_pool(server: ModelServer) -> None:
    source = (
        POOL % "echo"
        + """
        local helper = agent.create({ model = pool, limits = { tokens = 5 } })
        local ok, err = pcall(helper.run, helper, ("many words "):rep(100))
        return { ok, pool:metrics()[2].output_tokens }
    """
    )
    assert spell(server, source) == [False, 0]


def test_chats_and_structured_output_use_a_pool(server: ModelServer) -> None:
    source = (
        POOL % "data"
        + """
        local schema = { type = "object", properties = { n = { type = "integer" } },
          required = { "n" } }
        local value = structured.generate("give me n", schema, { model = pool })
        local chat = llm.chat({ model = llm.pool.create("q", { "local/drop", "local/echo" }) })
        return { math.type(value.n), chat:send("hi").content }
    """
    )
    assert spell(server, source) == ["integer", "echo: hi"]


def test_nothing_of_a_run_stays_in_its_session(server: ModelServer) -> None:
    async def whole() -> None:
        local = ProviderSettings("openai_compatible", server.url + "/v1")
        async with Session(settings=Settings(providers={"local": local})) as session:
            for n in range(10):
                source = (
                    POOL % "echo"
                    + """
                    llm.providers.create_mock("m", function() return "x" end)
                    llm.providers.create("a", { provider = "local", model = "echo" })
                    async(function() llm.generate("x", { model = "local/slow-20000" }) end)
                    if params.n % 2 == 0 then error("out") end
                    llm.stream("x", { model = pool }):next()
                    return llm.generate("x", { model = "m" }) .. llm.generate("x", { model = pool })
                """
                )
                result = await session.attempt(source, {"n": n}, limits={"time": 1.5})
                assert result.error is not None
            import gc

            gc.collect()
            models = session.services.models
            assert len(models.rosters) == 0
            assert len(models.tallies._runs) == 0
            assert not models.streams

    asyncio.run(asyncio.wait_for(whole(), 100))


def test_a_server_of_the_script_has_no_price(server: ModelServer) -> None:
    source = """
        llm.providers.create("lab", { base_url = "URL/v1", model = "echo" })
        local ok, err = pcall(llm.generate, "x", { model = "lab" })
        return err.code
    """.replace("URL", server.url)
    allow = [f"net:{server.url.removeprefix('http://')}"]
    assert spell(server, source, allow=allow, limits={"cost": 1}) == "price_unknown"


def test_many_runs_at_once_have_pools_of_their_own(server: ModelServer) -> None:
    async def whole() -> None:
        local = ProviderSettings("openai_compatible", server.url + "/v1")
        settings = Settings(providers={"local": local})
        source = """
            llm.providers.create_mock("m", { "x" }, { cycle = true, latency = 0.01 })
            llm.providers.create_mock("bad", { { status = 503 } }, { cycle = true })
            return llm.pool.create("p", { "bad", "m" }, "fallback"):generate("hi")
        """
        async with Session(settings=settings) as session:
            results = await asyncio.gather(*(session.run(source) for _ in range(300)))
        assert {result.value for result in results} == {"x"}

    asyncio.run(asyncio.wait_for(whole(), 100))
