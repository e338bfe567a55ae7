"""What becomes of isolates, told to the embedding program as it happens.

created    made
warmed     has answered: its language is set up, and where it works elsewhere, that is ready
idle       waits in a pool for a run
activated  given to a run, the only one it will ever have
closed     its run has ended
recycled   closed without a run: nobody asked for it, it is too old, or of an old generation
error      could not be made, did not answer, or failed its run
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple


class LifecycleEvent(NamedTuple):
    """One event in the life of an isolate.

    kind: created, warmed, idle, activated, closed, recycled or error.
    number: of the isolate, from 1 in each session; 0 for one that could not be made.
    generation: what it was made for: see `Pool.renew`; 1 without a pool.
    engine: name of its engine.
    age: seconds since it was made.
    reason: why, for what ends it; "" otherwise.
    """

    kind: str
    number: int
    generation: int
    engine: str
    age: float
    reason: str


class Life:
    """One isolate, from made to closed."""

    __slots__ = ("_tell", "engine", "generation", "made", "number")

    def __init__(self, tell: Tell | None, number: int, generation: int, engine: str) -> None:
        self._tell = tell
        self.number = number
        self.generation = generation
        self.engine = engine
        self.made = monotonic()

    def tell(self, kind: str, reason: str = "") -> None:
        """Tells the program, if it wants to know."""
        if self._tell is None:
            return
        age = monotonic() - self.made
        event = (kind, self.number, self.generation, self.engine, age, reason)
        try:
            self._tell(LifecycleEvent(*event))
        except Exception as error:  # noqa: BLE001 - it looks on: nothing may be left open for it
            _report(error)


def _report(error: Exception) -> None:
    """Tells the event loop, as of any callback that failed. Raises it where there is none."""
    import asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise error from None
    loop.call_exception_handler({"message": "on_lifecycle failed", "exception": error})


Tell = Callable[[LifecycleEvent], None]


class Lives:
    """The isolates of one session, numbered."""

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._last = 0

    def begin(self, engine: str, generation: int = 1) -> Life:
        """A new isolate is made."""
        self._last += 1
        life = Life(self._tell, self._last, generation, engine)
        life.tell("created")
        return life

    def failed(self, engine: str, generation: int, reason: str) -> None:
        """One could not be made."""
        Life(self._tell, 0, generation, engine).tell("error", reason)
