"""The calls of one run that its script has not had the answer of.

A call waits for room, for a task that does the work, or for somebody else; then its answer waits
for the turn of the engine in which the script gets it. Who gives the turns is the driver.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engines.base import Call
from ..errors import Cancelled, CapabilityError, LlmspellError
from . import gate as gates
from .gate import WARNING
from .journal import LATER

if TYPE_CHECKING:
    import asyncio

    from ..host.timers import Timers
    from ..host.waits import Wait

WAITING_BYTES = 8 * 1024 * 1024
"""Bytes of answers that wait for a script. With more, its next calls are only made when it has
taken some: a thousand tasks may each ask for the largest file at the same time."""

LARGE = 4096
"""Bytes of arguments that are counted as memory of the script while a call waits with them."""

AT_ONCE = (bytes, CapabilityError)
"""Types of an answer that needs no waiting."""


class CallsInFlight:
    """What a run waits for, and what has come.

    `_asked` are calls that wait for room, `_coming` for the loop; `_tasks` work, and `_dying` come
    to their end without an answer. `_waits` wait for somebody else, for `_timed` of them not for
    ever, and the time of `_unarmed` does not run yet. Answers are `_ready`; those of `_settled`
    took something that can be given back. `_weights` are bytes that calls were given.
    """

    __slots__ = ("_asked", "_coming", "_dying", "_loop", "_over", "_ready", "_ready_bytes",
                 "_scheduled", "_settled", "_tasks", "_timed", "_timers", "_unarmed", "_waits",
                 "_weights", "gate")  # fmt: skip

    def __init__(self) -> None:
        self.gate: gates.Gate
        self._ready: list[tuple[int, int, gates.Answer]] = []
        self._ready_bytes = 0
        self._asked: deque[Call] = deque()
        self._coming: dict[int, Coroutine[Any, Any, gates.Answer]] = {}
        self._tasks: dict[int, asyncio.Task[gates.Answer]] = {}
        self._dying: set[asyncio.Task[Any]] = set()
        self._weights: dict[int, int] = {}
        self._waits: dict[int, Wait] = {}
        self._settled: dict[int, Wait] = {}
        self._unarmed: dict[int, Wait] = {}
        self._timed = 0
        self._loop: asyncio.AbstractEventLoop
        self._timers: Timers
        self._over: asyncio.Future[None] | None = None
        self._scheduled = False

    def fail(self, error: LlmspellError) -> None:
        """Ends the run with `error`."""
        raise NotImplementedError

    def broke(self, error: BaseException) -> None:
        """Ends the run with what no script is told."""
        raise NotImplementedError

    def _pump(self) -> None:
        """Gives the script its turns until it waits."""
        raise NotImplementedError

    def _schedule(self, pause: float = 0.0) -> None:
        if not self._scheduled and self._over is not None:
            self._scheduled = True
            if pause:
                self._loop.call_later(pause, self._pump)
            else:
                self._loop.call_soon(self._pump)

    def _has_room(self) -> bool:
        # A replay orders the answers that are there at the same time, so all of them must be.
        return self._ready_bytes <= WAITING_BYTES or self.gate.replays

    def _admit(self, call: Call) -> None:
        """Takes a call, now or when there is room. Raises LimitExceeded."""
        if (size := len(call.args)) > LARGE:
            self._weights[call.id] = size
            self.gate.context.meter.hold(size)
        if self._asked or not self._has_room():
            self._asked.append(call)
        else:
            self._take(call)

    def _give_back(self, number: int) -> None:
        """Counts no more what a call was given: it has its answer, or nobody wants one."""
        if self._weights and (size := self._weights.pop(number, 0)):
            self.gate.context.meter.hold(-size)

    def _take(self, call: Call) -> None:
        answer = self.gate.enter(call.name, call.args)
        if isinstance(answer, AT_ONCE):
            self._put(call.id, answer, self.gate.place)
        elif isinstance(answer, Coroutine):
            self._coming[call.id] = answer
        else:
            self._keep(call.id, answer)

    def _put(self, number: int, answer: gates.Answer, place: int = LATER) -> None:
        """Keeps an answer until its turn: as it came, or as it came when it was recorded."""
        if place != LATER:
            for told in self.gate.warnings(place):
                self._put(WARNING, told, place - 1)
        self._give_back(number)
        self._ready.append((place, number, answer))
        self._ready_bytes += _size(answer)
        if place != LATER:
            self._ready.sort(key=lambda waiting: waiting[0])

    def _next(self) -> tuple[int, gates.Answer]:
        """The next answer for the script: the number of its call, and what it is."""
        _, number, answer = self._ready.pop(0)
        self._ready_bytes -= _size(answer)
        self._settled.pop(number, None)
        return number, answer

    # Calls that wait for somebody else.

    def _keep(self, number: int, wait: Wait) -> None:
        self._give_back(number)  # what somebody else is to have is counted where it waits
        self._waits[number] = wait
        if wait.timeout is not None:
            self._timed += 1
            self._unarmed[number] = wait
        wait.then(partial(self._settle, number))

    def _settle(self, number: int) -> None:
        wait = self._forget(number)
        try:
            self._put(number, wait.finish())
            self._settled[number] = wait
        except LlmspellError as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - it must not fail the run that settles it
            self.broke(error)
        self._schedule()

    def _expire(self, wait: Wait) -> None:
        """Goes on at once, not in the loop's next round: nothing else is running."""
        coming, self._scheduled = self._scheduled, True
        wait.expire()
        if not coming and self._over is not None:
            self._pump()

    def _forget(self, number: int) -> Wait:
        wait = self._waits.pop(number)
        self._timed -= wait.timeout is not None
        self._unarmed.pop(number, None)
        return wait

    def _withdraw(self, number: int) -> None:
        """Takes back a wait, or what it has brought: nobody is there to have it."""
        if number in self._waits:
            self._forget(number).withdraw()
        else:
            self._settled.pop(number).withdraw()
            self._ready = [waiting for waiting in self._ready if waiting[1] != number]
            self._ready_bytes = sum(_size(answer) for _, _, answer in self._ready)

    def _withdraw_all(self) -> None:
        # The last value that was taken is given back first.
        for wait in [*self._waits.values(), *reversed(self._settled.values())]:
            wait.withdraw()
        self._waits.clear()
        self._settled.clear()
        self._unarmed.clear()

    # Calls in flight.

    def _begin(self) -> None:
        for wait in self._unarmed.values():
            wait.arm(self._timers, self._expire)
        self._unarmed.clear()
        for number, coroutine in self._coming.items():
            task = self._loop.create_task(coroutine)
            self._tasks[number] = task
            task.add_done_callback(partial(self._arrived, number))
        self._coming.clear()

    def _arrived(self, number: int, task: asyncio.Task[gates.Answer]) -> None:
        if self._tasks.pop(number, None) is None:
            return
        if task.cancelled():
            self._put(number, Cancelled("the call was cancelled"))
        elif (error := task.exception()) is None:
            self._put(number, task.result())
        elif isinstance(error, LlmspellError):
            self.fail(error)
        else:
            self.broke(error)
        if not self._scheduled and self._over is not None:
            self._pump()

    def _cancel(self, number: int) -> None:
        self._give_back(number)
        if number in self._waits or number in self._settled:
            self._withdraw(number)
        if self._asked:
            self._asked = deque(call for call in self._asked if call.id != number)
        if (coroutine := self._coming.pop(number, None)) is not None:
            coroutine.close()
        if (task := self._tasks.pop(number, None)) is not None:
            task.cancel()
            self._end(task)

    def _end(self, task: asyncio.Task[Any]) -> None:
        """Lets a task come to its end, and the run wait for that."""
        self._dying.add(task)
        task.add_done_callback(self._dying.discard)
        # One that was cancelled may end with a limit it ran into meanwhile: nobody asks any more.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


def _size(answer: gates.Answer) -> int:
    return len(answer) if isinstance(answer, bytes) else len(answer.message)
