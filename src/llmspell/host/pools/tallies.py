"""This unit counts what was asked of providers: requests, failures, time, tokens and dollars.

Tally             the counts of one provider, or of one member of a pool
Tallies           those of each run, by provider; they go with the run
ProviderMetrics   a tally as scripts see it
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from ...limits import Meter
    from ..llm.charges import Used


MAX_NAMES = 256
"""Providers of one run that are counted apart: a script may make and forget doubles without end."""


@dataclass(frozen=True, slots=True)
class ProviderMetrics:
    """What was asked of a provider in this run.

    name: the provider; of a pool, the model.
    requests: how often it was asked.
    failures: how many of these failed.
    cancelled: how many of these nobody waited for any more.
    active: how many are going on.
    latency: seconds that a request took on average; nothing when none has ended.
    slowest: seconds of the slowest one.
    input_tokens: tokens sent.
    output_tokens: tokens received.
    cost: US dollars; nothing when a price is unknown.
    last_error: code of the last failure.
    """

    name: str
    requests: int
    failures: int
    cancelled: int
    active: int
    latency: float | None
    slowest: float
    input_tokens: int
    output_tokens: int
    cost: float | None
    last_error: str | None


class Tally:
    """The counts of one provider."""

    __slots__ = ("active", "cancelled", "cost", "ended", "failures", "input_tokens", "last_error",
                 "output_tokens", "requests", "seconds", "slowest")  # fmt: skip

    def __init__(self) -> None:
        self.active = 0
        self.reset()

    def reset(self) -> None:
        """Starts anew; requests that are going on are counted when they end."""
        self.requests = self.active
        self.failures = self.cancelled = self.ended = self.input_tokens = self.output_tokens = 0
        self.seconds = self.slowest = 0.0
        self.cost: float | None = 0.0
        self.last_error: str | None = None

    def begin(self) -> None:
        """A request is sent."""
        self.requests += 1
        self.active += 1

    def end(self, seconds: float, failed: str = "") -> None:
        """It has ended; `failed` is the code of its failure, "cancelled" when nobody waited."""
        self.active -= 1
        self.ended += 1
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)
        if failed == "cancelled":
            self.cancelled += 1
        elif failed:
            self.failures += 1
            self.last_error = failed

    def fail(self, code: str) -> None:
        """What has ended well at first, as a stream that began, has failed later."""
        self.failures += 1
        self.last_error = code

    def add(self, used: Used) -> None:
        """Counts what a request used."""
        self.input_tokens += used.input_tokens
        self.output_tokens += used.output_tokens
        known = used.cost is not None and self.cost is not None
        self.cost = (self.cost or 0.0) + (used.cost or 0.0) if known else None

    def metrics(self, name: str) -> ProviderMetrics:
        """The counts as scripts see them."""
        return ProviderMetrics(
            name=name,
            requests=self.requests,
            failures=self.failures,
            cancelled=self.cancelled,
            active=self.active,
            latency=self.seconds / self.ended if self.ended else None,
            slowest=self.slowest,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost=self.cost,
            last_error=self.last_error,
        )


class Tallies:
    """The tallies of each run."""

    def __init__(self) -> None:
        self._runs: WeakKeyDictionary[Meter, dict[str, Tally]] = WeakKeyDictionary()

    def of(self, meter: Meter) -> dict[str, Tally]:
        """The tallies of one run, by provider."""
        found = self._runs.get(meter)
        if found is None:
            found = self._runs[meter] = defaultdict(Tally)
        return found

    def one(self, meter: Meter, name: str) -> Tally:
        """The tally of the provider of a model, or of a double, which is its own."""
        tallies, head = self.of(meter), name.partition("/")[0]
        key = name if head == "mock" else head
        return tallies[key if key in tallies or len(tallies) < MAX_NAMES else "others"]
