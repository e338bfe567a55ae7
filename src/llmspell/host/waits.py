"""This unit holds one wait: an answer that only another task, run or the program can bring.

    Wait       joins queues, is settled once, and leaves no trace when it is withdrawn
    Party      one end of something that is waited at, such as a channel

A capability gives a Wait where it would otherwise block. The driver then knows that the call is
not at work but waits for somebody: when all calls of a run do, for each other, it is a deadlock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .timers import Timers


class Party(Protocol):
    """What is waited at. `name` is "" for what belongs to one run.

    `outside` tells whether the embedding program may end a wait here.
    """

    name: str
    outside: bool


class Place:
    """A place in one queue, kept by a wait. `release` is called when the place is given up."""

    __slots__ = ("doing", "kept", "party", "wait")

    def __init__(self, wait: Wait, party: Party, doing: str, kept: Any = None) -> None:
        self.wait = wait
        self.party = party
        self.doing = doing
        self.kept = kept


Queue = OrderedDict[Place, None]
"""Places in the order they were taken; leaving from the middle takes no time."""


class Wait:
    """An answer to come. `finish` gives it once it is settled; awaiting it waits for that.

    finisher: makes of the wait what `finish` gives; `outcome` without one.
    timeout: seconds after which it gives `late`, or raises it if that is an error; None for never.
    """

    __slots__ = ("_places", "_then", "_timer", "_timers", "back", "finisher", "late", "settled",
                 "timeout", "value")  # fmt: skip

    def __init__(self, timeout: float | None = None, late: Any = None) -> None:
        self.timeout = timeout
        self.late = late
        self.value: Any = None
        self.settled = False
        self.back: Callable[[], None] | None = None
        self.finisher: Callable[[Wait], Any] | None = None
        self._places: list[tuple[Queue, Place, Callable[[], None]]] = []
        self._then: Callable[[], None] | None = None
        self._timers: Timers | None = None
        self._timer = 0

    def join(self, queue: Queue, place: Place, give_up: Callable[[], None] = lambda: None) -> None:
        """Takes a place in a queue. `give_up` is called when it leaves it without success."""
        queue[place] = None
        self._places.append((queue, place, give_up))

    def settle(self, value: Any, winner: Place | None = None) -> None:
        """Gives the answer, an error to raise it, and leaves every queue. Only the first counts."""
        if self.settled:
            return
        self.value = value
        self._leave(winner)
        if self._then is not None:
            self._then()

    def expire(self) -> None:
        """Its time is over."""
        self._timers = None
        self.settle(self.late)

    def withdraw(self) -> None:
        """Nobody wants the answer any more. One that was settled gives back what it took."""
        if not self.settled:
            self._leave(None)
        elif self.back is not None:
            self.back()
        self.back = None

    def then(self, call: Callable[[], None]) -> None:
        """Has `call` called when it is settled."""
        self._then = call

    def finish(self) -> Any:
        """What is made of the answer."""
        return self.outcome() if self.finisher is None else self.finisher(self)

    def outcome(self) -> Any:
        """The answer, or raises it."""
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def parties(self) -> list[tuple[str, Party]]:
        """What it does, and where: ("receives from", a channel)."""
        return [(place.doing, place.party) for _, place, _ in self._places]

    def arm(self, timers: Timers, expire: Callable[[Wait], None] | None = None) -> None:
        """Starts its clock, if it has one. `expire` is called at its end, and calls its own."""
        if self.timeout is not None and not self.settled:
            self._timers = timers
            self._timer = timers.call_later(self.timeout, partial(expire or Wait.expire, self))

    def __await__(self) -> Generator[Any, None, Any]:
        import asyncio

        from .timers import timers

        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.then(lambda: None if future.done() else future.set_result(None))
        self.arm(timers(loop))
        try:
            if not self.settled:
                yield from future
        except asyncio.CancelledError:
            self.withdraw()
            raise
        return self.finish()

    def _leave(self, winner: Place | None) -> None:
        self.settled = True
        if self._places:
            places, self._places = self._places, []
            for queue, place, give_up in places:
                queue.pop(place, None)
                if place is not winner:
                    give_up()
        if self._timers is not None:
            self._timers.cancel(self._timer)
            self._timers = None
