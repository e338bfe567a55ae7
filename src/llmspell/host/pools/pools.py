"""This unit asks one of several models, or several of them, as if they were one.

    Pool(name, members, options, strategy)     decides who is asked, and when
    Member                                     one of its models: health, limits and counts
    PoolOptions, PoolMember                    how they are to be

A pool knows no model library: `ask` is given what sends a request to one member. A member that
fails too often is left alone for a while (`breakers`), so is one whose provider said when to come
back, and one that has had as many requests or tokens a minute as it may.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast

from ...errors import (
    BadArgument,
    CapabilityError,
    HostFailure,
    NotFound,
    ProviderFailure,
    near_miss,
)
from ..breakers import Breaker, BreakerOptions
from ..doubles.doubles import CODES
from ..tasks import ended
from .rates import Rate
from .tallies import ProviderMetrics, Tally

if TYPE_CHECKING:
    from ..llm.messages import ModelOptions

T = TypeVar("T")
Strategy = Literal["fallback", "round_robin", "weighted", "least_used", "fastest", "consensus"]

MAX_MEMBERS = 16
LONGEST = 3600.0
"""Seconds that a provider may ask to be left alone, and that a member may take for an answer."""

TRIED = 0.05
"""Seconds after which it is looked again whether the request that tries a member has ended."""

REFUSALS = 5
"""How often a request comes back when its providers say: later."""

SETUP = frozenset({"key_missing", "dependency", "base_url_refused", "price_unknown", "unsupported"})
"""Codes of a model that cannot be asked here at all, or not with these options."""

OWN_FAULT = frozenset({"rejected", "context_length", "content_filter", "output_length"})
"""Codes that say something of the request: another provider may still take it, but the health of
this one is not in doubt."""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A model of a pool.

    model: the model as "provider/model", or a provider for its default model.
    weight: its share of the requests, for the strategy "weighted".
    timeout: seconds it may take for an answer, instead of the pool's.
    requests_per_minute: requests it may be sent in any minute.
    tokens_per_minute: tokens it may use in any minute; counted before by a guess.
    """

    model: str
    weight: float = 1.0
    timeout: float | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __post_init__(self) -> None:
        """Refuses what makes no sense."""
        if not 0 <= self.weight <= 1e6:
            raise ValueError(f"weight must be from 0 to a million, got {self.weight:g}")
        if self.timeout is not None and not 0 < self.timeout <= LONGEST:
            raise ValueError(f"timeout must be above 0 and at most {LONGEST:g} seconds")
        for name in ("requests_per_minute", "tokens_per_minute"):
            wanted = getattr(self, name)
            if wanted is not None and wanted < 1:
                raise ValueError(f"{name} must be at least 1, got {wanted}")


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How a pool asks its models.

    timeout: seconds a model may take for an answer; of a stream, for its first piece.
    on: codes of failures after which another model is asked; all but those of the request by
        default.
    when_limited: whether to "wait" when no model may be asked now, or to "refuse".
    failure_threshold: failures one after another after which a model is left alone.
    reset_timeout: seconds until a model that is left alone is tried again.
    agreement: how a consensus is found: by "majority", "similarity" or a "judge".
    threshold: how alike answers must be for "similarity", 0 to 1.
    judge: the model that picks the best answer.
    min_answers: answers without which there is no consensus.
    """

    timeout: float = 30.0
    on: list[str] | None = None
    when_limited: Literal["wait", "refuse"] = "wait"
    failure_threshold: int = 5
    reset_timeout: float = 30.0
    agreement: Literal["majority", "similarity", "judge"] = "majority"
    threshold: float = 0.8
    judge: str | None = None
    min_answers: int = 2

    def __post_init__(self) -> None:
        """Refuses what makes no sense."""
        if not 0 < self.timeout <= LONGEST:
            raise ValueError(f"timeout must be above 0 and at most {LONGEST:g} seconds")
        if len(self.on or ()) > len(CODES) + len(SETUP):
            raise ValueError("on has a code more than once")
        for code in self.on or ():
            if code not in CODES and code not in SETUP:
                raise ValueError(f"on {code!r} is no code{near_miss(code, CODES)}")
        for name in ("failure_threshold", "min_answers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.reset_timeout <= LONGEST:
            raise ValueError(f"reset_timeout must be from 0 to {LONGEST:g} seconds")
        if not 0 < self.threshold <= 1:
            raise ValueError("threshold must be above 0 and at most 1")
        if self.threshold != 0.8 and self.agreement != "similarity":
            raise ValueError(f'threshold is for agreement "similarity", not "{self.agreement}"')
        if (self.agreement == "judge") != (self.judge is not None):
            raise ValueError('agreement "judge" and a judge, a model, belong together')


USUAL = PoolOptions()


@dataclass(frozen=True, slots=True)
class MemberHealth:
    """How a model of a pool is doing.

    model: the model.
    state: "closed" when it is asked, "open" when it is left alone, "half_open" when it is tried.
    available: whether it would be asked now.
    retry_after: seconds until it would; 0 for now.
    weight: its share of the requests.
    last_error: code of its last failure.
    """

    model: str
    state: str
    available: bool
    retry_after: float
    weight: float
    last_error: str | None


class Sent(NamedTuple):
    """What became of a request to one member."""

    member: Member
    result: Any = None
    error: CapabilityError | None = None


class Member:
    """One model of a pool, with its health, its limits and its counts."""

    def __init__(self, given: PoolMember, options: PoolOptions) -> None:
        self.name = given.model
        self.weight = given.weight
        self.timeout = given.timeout or options.timeout
        self.tally = Tally()
        self.turn = 0.0
        self.rate = Rate(given.requests_per_minute, given.tokens_per_minute)
        self._breaker = BreakerOptions(options.failure_threshold, options.reset_timeout)
        self.reset()

    def reset(self) -> None:
        """Forgets failures and counts; limits hold on."""
        self.breaker = Breaker(self._breaker)
        self.blocked = 0.0
        self.tally.reset()

    async def wait(self, tokens: int) -> float:
        """Seconds until it may be asked; 0 for now."""
        now = await clock()
        open_for = await self.breaker.remaining(clock)
        tried = TRIED if self.breaker.trying else 0.0
        return max(tried, self.blocked - now, self.rate.wait(tokens, now), open_for)

    async def health(self) -> MemberHealth:
        """How it is doing."""
        wait = await self.wait(1)
        state = await self.breaker.state(clock)
        return MemberHealth(
            self.name, state, wait <= 0, round(wait, 3), self.weight, self.tally.last_error
        )

    async def ask(
        self, send: Callable[[Member], Awaitable[T]], tokens: int, counted: bool = False
    ) -> T:
        """Sends one request. Raises ProviderFailure, of "timeout" when it takes too long.

        counted: whether it was taken from what the limits allow.
        """
        if not counted:
            self.rate.take(tokens, await clock())

        async def guarded() -> tuple[T | None, CapabilityError | None]:
            try:
                return await self._counted(send), None
            except CapabilityError as error:
                if error.code in OWN_FAULT or error.code not in (*CODES, *SETUP):
                    return None, error  # no failure of the member
                raise

        try:
            result, error = await self.breaker.call(guarded, clock)
            if error is not None:
                raise error
        except CapabilityError as error:
            if (seconds := wish(error)) is not None:
                self.blocked = await clock() + seconds
            raise
        return cast("T", result)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Counts a stream that has begun as going on, while it is read."""
        self.tally.active += 1
        try:
            yield
        finally:
            self.tally.active -= 1

    async def _counted(self, send: Callable[[Member], Awaitable[T]]) -> T:
        self.tally.begin()
        began, failed = time.perf_counter(), ""
        try:
            return await self._timed(send)
        except CapabilityError as error:
            failed = error.code
            raise
        except BaseException:
            failed = "cancelled"
            raise
        finally:
            self.tally.end(time.perf_counter() - began, failed)

    async def _timed(self, send: Callable[[Member], Awaitable[T]]) -> T:
        late = ProviderFailure(
            f"{self.name} gave no answer within {self.timeout:g} s: raise the timeout",
            code="timeout",
            retryable=True,
        )
        try:
            async with asyncio.timeout(self.timeout) as bound:
                return await send(self)
        except TimeoutError:
            if bound.expired():
                raise late from None
            raise


class Pool:
    """Several models that are asked as one.

    It can be named wherever a model is: as its handle, or as "pool/NAME".
    """

    def __init__(
        self, name: str, members: Sequence[PoolMember], strategy: Strategy, options: PoolOptions
    ) -> None:
        if not 1 <= len(members) <= MAX_MEMBERS:
            raise BadArgument(f"a pool has 1 to {MAX_MEMBERS} models, got {len(members)}")
        self.name = f"pool/{name}"
        self.strategy = strategy
        self.options = options
        self.members = [Member(member, options) for member in members]
        self.judge = options.judge and Member(PoolMember(options.judge), options)
        names = [member.name for member in self.members]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise BadArgument(f"{twice} is there twice: a pool has each model once, with a weight")
        for option in ("agreement", "threshold", "judge", "min_answers"):
            if strategy != "consensus" and getattr(options, option) != getattr(USUAL, option):
                raise BadArgument(f"options.{option} is for a consensus, not for {strategy}")
        if strategy == "consensus" and len(members) < options.min_answers:
            raise BadArgument(f"a consensus of {options.min_answers} answers needs as many models")
        self._next = 0

    def asked(self, options: ModelOptions) -> ModelOptions:
        """Options with the pool as their model. Raises BadArgument for another one."""
        if options.model not in (None, self.name):
            raise BadArgument(f"options.model: it is {self.name} that is asked: leave it out")
        return replace(options, model=self.name)

    def member(self, model: str) -> Member:
        """The member of a name. Raises NotFound."""
        for member in self.members:
            if member.name == model:
                return member
        names = [member.name for member in self.members]
        raise NotFound(f"{self.name} has no model {model}{near_miss(model, names)}")

    def set_weight(self, model: str, weight: float) -> None:
        """Changes the share of the requests that a model gets."""
        member = self.member(model)
        try:
            member.weight = PoolMember(model, weight).weight
        except ValueError as error:
            raise BadArgument(str(error)) from None

    def reset(self) -> None:
        """Forgets the failures and counts of all members; limits hold on."""
        for member in self.members:
            member.reset()

    async def health(self) -> list[MemberHealth]:
        """How each member is doing."""
        return [await member.health() for member in self.members]

    def metrics(self) -> list[ProviderMetrics]:
        """What was asked of each member."""
        return [member.tally.metrics(member.name) for member in self.members]

    async def one(self, send: Callable[[Member], Awaitable[T]], tokens: int) -> T:
        """The answer of one member, the next one's when it fails. Raises ProviderFailure."""
        refusals = 0
        while True:
            failed: list[Sent] = []
            for member in self._order(await self._able(tokens)):
                if await member.wait(tokens) > 0:
                    continue
                try:
                    return await member.ask(send, tokens)
                except CapabilityError as error:
                    failed.append(Sent(member, error=error))
                    if not self._goes_on(error):
                        raise
            if failed:
                refusals += 1
                told_when = all(s.error and wish(s.error) is not None for s in failed)
                wait = told_when and self.options.when_limited == "wait"
                if not wait or refusals == REFUSALS:
                    raise self._none(failed)

    async def first(self, send: Callable[[Member], Awaitable[T]], tokens: int) -> T:
        """The first answer of all members asked at once; the others are cancelled."""
        tasks = await self._all(send, tokens)
        failed: list[Sent] = []
        try:
            for answer in asyncio.as_completed(tasks):
                sent = await answer
                if sent.error is None:
                    return sent.result  # type: ignore[no-any-return]
                if not self._goes_on(sent.error):
                    raise sent.error
                failed.append(sent)
        finally:
            await ended(tasks)
        raise self._none(failed)

    async def several(self, send: Callable[[Member], Awaitable[Any]], tokens: int) -> list[Sent]:
        """The answers of all members that give one. Raises when they are too few."""
        tasks = await self._all(send, tokens, self.options.min_answers)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()  # a limit ends them all
            sent = [task.result() for task in tasks]
        finally:
            await ended(tasks)
        good = [item for item in sent if item.error is None]
        if len(good) < self.options.min_answers:
            for item in sent:
                if item.error is not None and item.error.code == "budget":
                    raise item.error  # which is no failure of a member
            raise self._none([item for item in sent if item.error is not None], len(good))
        return good

    async def _all(
        self, send: Callable[[Member], Awaitable[T]], tokens: int, least: int = 1
    ) -> list[asyncio.Task[Sent]]:
        async def asked(member: Member) -> Sent:
            try:
                return Sent(member, await member.ask(send, tokens, counted=True))
            except CapabilityError as error:
                return Sent(member, error=error)

        able = await self._able(tokens, least)
        for member in able:  # now: the tasks only begin when others have had their turn
            member.rate.take(tokens, await clock())
        return [asyncio.create_task(asked(member), name=member.name) for member in able]

    def _order(self, able: list[Member]) -> list[Member]:
        """Who may be asked now, in the order in which they are to be; then the others.

        Turns and shares are those among who may be asked: no neighbour gets those of a dead one.
        """
        order = able
        if self.strategy == "round_robin":
            start, self._next = self._next % len(able), self._next + 1
            order = able[start:] + able[:start]
        elif self.strategy == "least_used":
            order = sorted(able, key=lambda m: (m.tally.active, m.tally.requests))
        elif self.strategy == "weighted":
            # Smooth: the one that has waited longest for its share comes first.
            for member in able:
                member.turn += member.weight
            order = sorted(able, key=lambda m: m.turn, reverse=True)
            order[0].turn -= sum(member.weight for member in able)
        return [*order, *(member for member in self._sharing() if member not in able)]

    def _sharing(self) -> list[Member]:
        """The members that are asked at all."""
        if self.strategy != "weighted":
            return self.members
        return [member for member in self.members if member.weight > 0]

    def _goes_on(self, error: CapabilityError) -> bool:
        """Whether another member is asked after a failure."""
        if self.options.on is not None:
            return error.code in self.options.on or error.code == "circuit_open"
        return error.code in (*CODES, *SETUP, "circuit_open") and error.code not in OWN_FAULT

    async def _able(self, tokens: int, least: int = 1) -> list[Member]:
        """The members that may be asked now, once they are as many as this. Raises HostFailure."""
        while True:
            members = self._sharing()
            if not members:
                raise HostFailure(f"{self.name}: every model has the weight 0", code="pool_empty")
            waits = [await member.wait(tokens) for member in members]
            wait = sorted(waits)[least - 1]
            if wait <= 0:
                return [m for m, left in zip(members, waits, strict=True) if left <= 0]
            if self.options.when_limited == "refuse" or wait > LONGEST:
                who = "no model" if least == 1 else f"only {sum(w <= 0 for w in waits)} of {least}"
                refusal = ProviderFailure(
                    f"{self.name}: {who} may be asked now: try again in {wait:.3g} s",
                    code="rate_limited",
                    retryable=True,
                )
                refusal.details = {"context": {"retry_after": round(wait, 3)}}
                raise refusal
            await asyncio.sleep(wait)

    def _none(self, failed: list[Sent], answers: int = 0) -> CapabilityError:
        """The error for too few answers: the failure itself when there is only one to tell of."""
        if len(failed) == 1 and len(self.members) == 1 and failed[0].error is not None:
            return failed[0].error
        told = "; ".join(f"{s.member.name}: {s.error.code}" for s in failed if s.error is not None)
        what = "no model has answered" if not answers else f"only {answers} answered"
        failure = ProviderFailure(
            f"{self.name}: {what} ({told})",
            code="pool_failed",
            retryable=any(s.error is not None and s.error.retryable for s in failed),
        )
        failure.details = {
            "context": {"failures": {s.member.name: s.error.code for s in failed if s.error}}
        }
        return failure


def wish(error: CapabilityError) -> float | None:
    """Seconds after which a provider wants to be asked again; None when it did not say."""
    seconds = (error.details.get("context") or {}).get("retry_after")
    if error.code not in ("rate_limited", "server_error") or not isinstance(seconds, int | float):
        return None
    return min(max(float(seconds), 0.0), LONGEST)


async def clock() -> float:
    """Seconds on a clock that nobody sets."""
    return time.monotonic()
