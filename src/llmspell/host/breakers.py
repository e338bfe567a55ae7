"""Circuit breakers: calls that fail again and again are refused for a while, without being made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..errors import BadArgument, CapabilityError, HostFailure
from .errors import run

SIZE = 1024
"""Bytes a breaker is counted as: the host keeps it until the run ends."""

Clock = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When a circuit breaker opens and closes.

    failure_threshold: failures one after another that open it.
    reset_timeout: seconds until an open one lets calls through again, to try.
    half_open_max: calls it lets through at a time while it tries.
    """

    failure_threshold: int = 5
    reset_timeout: float = 30.0
    half_open_max: int = 1


class Breaker:
    """A circuit breaker.

    Closed, it lets calls through. After several failures one after another it is open and refuses
    them with the code `circuit_open`. After a while it is half open and lets some through: the
    first that succeeds closes it, the first that fails opens it again.
    """

    def __init__(self, options: BreakerOptions) -> None:
        for name in ("failure_threshold", "half_open_max"):
            if getattr(options, name) < 1:
                raise BadArgument(f"errors.circuit_breaker: options.{name} must be at least 1")
        if options.reset_timeout < 0:
            raise BadArgument("errors.circuit_breaker: options.reset_timeout must not be below 0")
        self._options = options
        self._failures = self._trials = self._turns = 0
        self._opened: float | None = None

    def reset(self) -> None:
        """Closes it and forgets every failure. Calls in flight no longer count."""
        self._failures = self._trials = 0
        self._opened = None
        self._turns += 1

    async def state(self, clock: Clock) -> str:
        """ "closed", "open" or "half_open"."""
        if self._opened is None:
            return "closed"
        return "open" if await self.remaining(clock) > 0 else "half_open"

    async def remaining(self, clock: Clock) -> float:
        """Seconds until an open one tries again."""
        opened = self._opened
        if opened is None:
            return 0.0
        # A clock that was set back must not keep it open for longer.
        return self._options.reset_timeout - max(0.0, await clock() - opened)

    @property
    def trying(self) -> bool:
        """Whether as many calls as it lets through try it just now."""
        return self._opened is not None and self._trials >= self._options.half_open_max

    async def call(self, function: Callable[[], Awaitable[Any]], clock: Clock) -> Any:
        """Runs the function unless it is open."""
        trial = self._opened is not None
        if trial:
            await self._admit(clock)
        turn = self._turns
        try:
            result = await run(function)
        except CapabilityError:
            if turn == self._turns:
                await self._failed(trial, clock)
            raise
        else:
            if turn == self._turns:
                if trial:
                    self.reset()
                self._failures = 0
            return result
        finally:
            if trial and turn == self._turns:
                self._trials -= 1

    async def _admit(self, clock: Clock) -> None:
        """Lets one more trial through, or raises the error of an open circuit."""
        remaining = await self.remaining(clock)
        if self._opened is not None and (
            remaining > 0 or self._trials >= self._options.half_open_max
        ):
            raise self._refusal(max(0.0, remaining))
        self._trials += 1

    def _refusal(self, remaining: float) -> HostFailure:
        later = f"in {remaining:.3g} s" if remaining else "when the call that tries it has ended"
        text = f"the circuit is open after {self._failures} failures: try again {later}"
        refusal = HostFailure(text, code="circuit_open", retryable=True)
        refusal.details = {"context": {"retry_after": round(remaining, 3)}}
        return refusal

    async def _failed(self, trial: bool, clock: Clock) -> None:
        self._failures += 1
        if trial or self._failures >= self._options.failure_threshold:
            self._turns += 1
            self._trials = 0
            self._opened = await clock()
