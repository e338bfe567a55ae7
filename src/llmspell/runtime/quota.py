"""One run's part of the quotas of its tenant.

    Share     counts a run, from its beginning to its end
    Charged   an isolate of this process whose memory is counted turn by turn

Before each turn an isolate may take what is left of the quota, so the sum of what all hold never
passes it, however much one turn allocates. An isolate that works elsewhere cannot be asked between
two turns, and what it says of itself is not to be trusted: its whole limit is set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from ..engines.base import Answer, Chunk, Ended, Isolate
from ..errors import CapabilityError, MemoryLimit, UsageError
from ..limits import Limits, Tenant


class Share:
    """The runs and the memory of one run in the quotas of its tenant."""

    def __init__(self, tenant: Tenant, limits: Limits) -> None:
        self._tenant = tenant
        self._limits = limits
        self._aside = 0
        self._entered = False

    def isolate(self, isolate: Isolate) -> Isolate:
        """The isolate, with its memory counted."""
        return cast(Isolate, Charged(isolate, self._limits, self._tenant))

    def begin(self, remote: bool) -> None:
        """Counts the run. Raises RunLimit or MemoryLimit; UsageError without a memory limit."""
        left = self._tenant.left
        self._tenant.enter()
        self._entered = True
        if remote and left is not None:
            if self._limits.memory is None:
                raise UsageError("an isolated run of a tenant with a memory quota needs a limit")
            if self._limits.memory > left:
                raise self._tenant.out_of_memory()
            self._aside = self._limits.memory
            self._tenant.hold(self._aside)

    def end(self) -> None:
        """The run is over. May be called twice."""
        if self._entered:
            self._entered = False
            self._tenant.leave()
            self._tenant.hold(-self._aside)


class Charged:
    """An isolate that counts what it holds for a tenant, and takes no more than is left."""

    def __init__(self, isolate: Isolate, limits: Limits, tenant: Tenant) -> None:
        self._isolate = isolate
        self._limits = limits
        self._tenant = tenant
        self._held = 0
        self._squeezed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._isolate, name)

    def run(self, entry: int, chunk: Chunk, params: bytes, seed: int = 0) -> Answer:
        """Starts the program."""
        return self._turn(lambda: self._isolate.run(entry, chunk, params, seed))

    def call(self, entry: int, function: int | str, args: bytes) -> Answer:
        """Starts a function."""
        return self._turn(lambda: self._isolate.call(entry, function, args))

    def resume(self, call_id: int, answer: bytes | CapabilityError) -> Answer:
        """Answers one call."""
        return self._turn(lambda: self._isolate.resume(call_id, answer))

    def proceed(self) -> Answer:
        """Goes on for one more turn."""
        return self._turn(self._isolate.proceed)

    def abandon(self, entry: int) -> Answer:
        """Ends an entry."""
        return self._turn(lambda: self._isolate.abandon(entry))

    def deadlock(self, waits: Mapping[int, str]) -> Answer:
        """Ends every entry."""
        return self._turn(lambda: self._isolate.deadlock(waits))

    def close(self) -> None:
        """Frees everything."""
        self._isolate.close()
        self._tenant.hold(-self._held)
        self._held = 0

    def _turn(self, take: Callable[[], Answer]) -> Answer:
        self._bound()
        answer = take()
        held = self._isolate.usage().memory
        self._tenant.hold(held - self._held)
        self._held = held
        if self._squeezed:
            answer.ended = [self._ended(ended) for ended in answer.ended]
        return answer

    def _bound(self) -> None:
        """Moves the limit to what is left, where that is less than the run's own."""
        own, left = self._limits.memory, self._tenant.left
        bound = own if left is None else self._held + left
        squeezed = bound is not None and (own is None or bound < own)
        if squeezed or self._squeezed:
            memory = own if not squeezed or bound is None else max(1, bound)
            self._isolate.confine(self._limits._replace(memory=memory))
        self._squeezed = squeezed

    def _ended(self, ended: Ended) -> Ended:
        if isinstance(ended.error, MemoryLimit):
            return ended._replace(error=self._tenant.out_of_memory())
        return ended
