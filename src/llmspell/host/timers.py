"""This unit calls the waits of one event loop when their time is over.

Each spell that sleeps would have a timer of the loop, an object that the loop compares with others
in Python. Here all waits share one, for the first of them; the rest are numbers in a heap.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from time import get_clock_info
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import asyncio

ROOM = 64
"""Timers that were cancelled may stay in the heap, so many more than there are others."""

RESOLUTION = get_clock_info("monotonic").resolution
"""Seconds by which two moments differ at least: nearer ones are the same."""


class Timers:
    """The timers of one event loop, each known by its number."""

    __slots__ = ("__weakref__", "_alarm", "_at", "_calls", "_heap", "_last", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int]] = []
        self._calls: dict[int, Callable[[], None]] = {}
        self._last = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._at = inf

    def call_later(self, seconds: float, call: Callable[[], None]) -> int:
        """Has `call` called after so many seconds. Gives the number to cancel it by."""
        when = self._loop.time() + seconds
        number = self._last = self._last + 1
        self._calls[number] = call
        heappush(self._heap, (when, number))
        if when < self._at:
            self._set_alarm(when)
        return number

    def cancel(self, number: int) -> None:
        """Takes a call back. One that was made, or is cancelled, is left alone."""
        self._calls.pop(number, None)
        heap, calls = self._heap, self._calls
        if not calls and self._alarm is not None:
            heap.clear()
            self._alarm.cancel()
            self._alarm, self._at = None, inf
        elif len(heap) > 2 * len(calls) + ROOM:
            heap[:] = [timer for timer in heap if timer[1] in calls]
            heapify(heap)

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._at, self._alarm = when, self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        """Makes the calls whose time has come; those of them that are new wait for the next."""
        heap, calls, self._alarm, self._at = self._heap, self._calls, None, -inf
        now, due = self._loop.time() + RESOLUTION, list[tuple[float, int]]()
        while heap and heap[0][0] <= now:
            due.append(heappop(heap))
        due.reverse()
        try:
            while due:
                call = calls.pop(due.pop()[1], None)
                if call is not None:
                    call()
        finally:
            # One that fails must not keep the others waiting.
            for timer in due:
                heappush(heap, timer)
            self._at = inf
            while heap and heap[0][1] not in calls:
                heappop(heap)
            if heap:
                self._set_alarm(heap[0][0])


TIMERS: WeakValueDictionary[asyncio.AbstractEventLoop, Timers] = WeakValueDictionary()
"""The timers of each loop, as long as a run uses them."""


def timers(loop: asyncio.AbstractEventLoop) -> Timers:
    """The timers of an event loop."""
    found = TIMERS.get(loop)
    if found is None:
        found = TIMERS[loop] = Timers(loop)
    return found
