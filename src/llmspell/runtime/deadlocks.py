"""This unit finds deadlocks among the runs of one session, which may wait for each other.

A run all of whose tasks wait for each other is ended by its own driver, at once. One that waits
at a shared channel may be helped: by another run that is not waiting, by the program that opened
the channel too, or by a run that is just about to begin, for which there is a moment of patience.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from .driver import Driver

PATIENCE = 1.0
"""Seconds in which another run may begin before runs that wait for each other are ended."""


class Neighbours:
    """The runs of one session."""

    def __init__(self) -> None:
        self._drivers: dict[Driver, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, driver: Driver) -> None:
        """A run that may help others begins. It may be said twice."""
        self._stop()
        self._drivers[driver] = None
        driver.neighbours = self

    def memory(self) -> list[int]:
        """Bytes that each of them holds."""
        return [driver.isolate.usage().memory for driver in self._drivers]

    def leave(self, driver: Driver) -> None:
        """A run has ended: those it leaves behind may have nobody to wait for."""
        if driver in self._drivers:
            import asyncio

            del self._drivers[driver]
            self._stop()
            self.look(asyncio.get_running_loop())

    def look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends the runs before long if all of them wait, and for nobody but each other."""
        if self._timer is None and self._stuck():
            turns = [driver.turns for driver in self._drivers]
            self._timer = loop.call_later(PATIENCE, self._decide, [*self._drivers], turns, loop)

    def _decide(
        self, drivers: list[Driver], turns: list[int], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._timer = None
        same = drivers == [*self._drivers] and turns == [driver.turns for driver in drivers]
        if not same:
            self.look(loop)
        elif self._stuck():
            for driver in drivers:
                driver.deadlock()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stuck(self) -> bool:
        drivers = self._drivers
        return bool(drivers) and all(driver.stalled and not driver.reach()[1] for driver in drivers)
