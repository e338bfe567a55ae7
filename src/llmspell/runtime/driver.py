"""Runs one isolate against one gate until its program has ended.

The driver resumes the engine with answers as they come and never blocks: a script that waits
costs a suspended state, a busy one gives way after each turn. Limits of time are kept here,
because the driver owns the clock; a script that has reached one is simply never resumed.

`advance` goes as far as possible without an event loop, which is all that a spell without
waiting needs: starting asyncio would double its start-up time.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..engines.base import Answer, Busy, Chunk, Ended, Isolate, Remote
from ..errors import (
    Cancelled,
    InternalError,
    LlmspellError,
    TimeLimit,
)
from ..limits import Limits, Meter
from ..values import decode, encode
from . import gate as gates
from .calls_in_flight import CallsInFlight
from .gate import HANDLER, WARNING

if TYPE_CHECKING:
    import asyncio

    from .deadlocks import Neighbours

TURN = 0.004
"""Seconds in which all busy scripts of the process should have had their turn."""

GRACE = 0.2
"""Seconds a script that works elsewhere may take to notice that its time is up."""

FOREVER = 1e9
"""Seconds where there is no limit of time."""

MAIN = 1
"""Entry number of the program itself."""

REST = 0.03
"""Seconds after which an isolate that works elsewhere is asked again whether it is at rest."""

MAX_TOLD = 1000
"""Calls in flight of which a deadlock is told what they wait for."""


class Driver(CallsInFlight):
    """One run. An `orderly` one gives answers only to a script that is at rest."""

    __slots__ = ("_began", "_broken", "_busy", "_counted", "_cpu_left", "_deadline", "_dropped",
                 "_due", "_entries", "_handlers", "_last_entry", "_now", "_pause", "_rest",
                 "_spared", "_timer", "isolate", "limits", "meter", "neighbours", "result",
                 "turns")  # fmt: skip

    busy_drivers = 0
    orderly = False

    def __init__(self, isolate: Isolate, limits: Limits, meter: Meter) -> None:
        super().__init__()
        self.isolate = isolate
        self.limits = limits
        self.meter = meter
        self.result: Ended | None = None
        self._dropped: list[tuple[int, int]] = []
        self._rest: asyncio.TimerHandle | None = None
        self.neighbours: Neighbours | None = None
        self.turns = 0
        self._entries: dict[int, asyncio.Future[Ended]] = {}
        self._last_entry = MAIN
        self._busy = False
        self._pause = 0.0
        self._timer: asyncio.TimerHandle
        self._counted = self._spared = False
        self._broken: BaseException | None = None
        self._began = self._now = monotonic()
        self._deadline = self._due = self._began + FOREVER
        self._handlers: set[int] = set()
        self._cpu_left = FOREVER if limits.cpu is None else limits.cpu

    def start(self, chunk: Chunk, params: bytes, seed: int = 0) -> None:
        """Starts the program."""
        self._began = self._now = monotonic()
        time, warn = self.limits.time, self.limits.warn
        self._deadline = self._began + (FOREVER if time is None else time)
        self._due = self._began + (FOREVER if time is None else time * (warn or 1.0))
        self.isolate.allot(TURN / 2, min(self._deadline - self._now, self._cpu_left))
        self._absorb(self.isolate.run(MAIN, chunk, params, seed))

    def deliver(self, answer: Answer) -> None:
        """Takes what an isolate that works elsewhere has come to."""
        self._absorb(answer)
        if not self._scheduled:
            self._pump()

    def advance(self) -> bool:
        """Goes on until the program has ended or has to wait. Tells whether it has ended."""
        while self.result is None and (self._ready or self._busy):
            self._turn()
        if self.result is None:
            return False
        for number in list(self._coming):
            self._cancel(number)
        if self._broken is not None:
            raise self._broken
        return True

    async def finish(self) -> None:
        """Goes on until the program has ended. Cancelling this cancels everything below it."""
        import asyncio

        from ..host.timers import timers

        loop = self._loop = asyncio.get_running_loop()
        self._timers = timers(loop)
        over = self._over = loop.create_future()
        self._timer = loop.call_later(max(0.0, self._due - monotonic()), self._time_is_due)
        try:
            self._pump()
            await over
            if self._broken is not None:
                raise self._broken
        finally:
            self._timer.cancel()
            if self._rest is not None:
                self._rest.cancel()
            self._over = None
            self._withdraw_all()
            self._set_busy(False)
            await self._cancel_all()

    def _pump(self) -> None:
        """Takes turns until the script waits; a busy one goes on in the loop's next round."""
        self._scheduled = False
        give_way = monotonic() + TURN / 2
        try:
            while self.result is None:
                if self._coming or self._unarmed:
                    self._begin()
                if self.gate.dropped:
                    for closing in self.gate.closings():
                        self._end(self._loop.create_task(closing))
                if not self._ready and not self._busy:
                    if self._counted:
                        self._set_busy(False)
                    if self._waits and not self._timed:
                        self._look_for_deadlock()
                    if self.result is None:
                        return
                    break
                self._turn()
                if self._busy or monotonic() > give_way:
                    self._set_busy(True)
                    self._schedule(self._pause)
                    return
        except BaseException as error:  # noqa: BLE001 - a run must not hang
            self.broke(error)
        self._finished()

    def _finished(self) -> None:
        if self.result is not None:
            self._withdraw_all()
            if self._over is not None and not self._over.done():
                self._over.set_result(None)

    def _set_busy(self, busy: bool) -> None:
        if busy != self._counted:
            self._counted = busy
            Driver.busy_drivers += 1 if busy else -1

    def usage(self) -> None:
        """Brings the meter up to date."""
        self.meter.measure(monotonic() - self._began, *self.isolate.usage())

    async def call_function(self, function: int, args: list[Any]) -> Any:
        """Runs a function of the script, in its own run, and gives what it returned.

        Cancelling this ends the function where it stands.
        """
        import asyncio

        if self.result is not None:
            raise Cancelled("the spell has ended, and its functions with it")
        self._last_entry += 1
        entry = self._last_entry
        future = self._entries[entry] = asyncio.get_running_loop().create_future()
        self._absorb(self.isolate.call(entry, function, encode(args, "the arguments")))
        self._schedule()
        try:
            ended = await future
        except asyncio.CancelledError:
            if self.result is None:
                self._absorb(self.isolate.abandon(entry))
                self._schedule()
            raise
        finally:
            self._entries.pop(entry, None)
        if ended.error is not None:
            raise self.gate.recognized(ended.error)
        return decode(ended.value, self.call_function)

    # One turn of the engine.

    def _turn(self) -> None:
        now = self._now = monotonic()
        if now >= self._due:
            self._time_is_due()
            if self.result is not None or now >= self._deadline:
                return
        if self.limits.cpu is not None and self._over_cpu(self.limits.cpu):
            return
        seconds = TURN / 2 if Driver.busy_drivers < 2 else TURN / (2 * Driver.busy_drivers)
        self.isolate.allot(seconds, min(self._deadline - now, self._cpu_left))
        self.turns += 1
        if self._ready and not (self._busy and self.orderly):
            number, answer = self._next()
            if number == WARNING and isinstance(answer, bytes):
                self._call_handler(answer)
            else:
                self._absorb(self._given(number, answer))
        else:
            self._absorb(self.isolate.proceed())

    def _given(self, number: int, answer: gates.Answer) -> Answer:
        return self.isolate.resume(number, answer)

    def _over_cpu(self, limit: float) -> bool:
        self._cpu_left = limit - self.isolate.usage().cpu
        if self._cpu_left <= limit * (1 - (self.limits.warn or 1.0)):
            self._warn("cpu")
        if self._cpu_left <= 0:
            self.fail(TimeLimit(f"{limit:g} s of processor time"))
        return self._cpu_left <= 0

    def _warn(self, *near: str) -> None:
        try:
            for told in self.gate.warn(near):
                self._put(WARNING, told)  # behind the answers that are there: so it is recorded
        except LlmspellError as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - a timer or a worker may be who tells of it
            self.broke(error)

    def _call_handler(self, told: bytes) -> None:
        if self.result is None:
            self._last_entry += 1
            self._handlers.add(self._last_entry)
            self._absorb(self.isolate.call(self._last_entry, HANDLER, told))

    def _time_is_due(self) -> None:
        if (left := self._deadline - monotonic()) <= 0:
            self._time_is_up()
            return
        self._due = self._deadline
        if self._over is not None:
            self._timer.cancel()  # a turn may have been first to see that it is time
            self._timer = self._loop.call_later(left, self._time_is_due)
        self._warn("time")
        self._schedule()

    def _time_is_up(self) -> None:
        if not self._spared and isinstance(self.isolate, Remote) and self.isolate.working:
            # It knows its limit and can say where the script was; one that cannot is killed.
            self._spared = True
            self._deadline += GRACE
            self._due = self._deadline
            self._timer.cancel()
            self._timer = self._loop.call_later(GRACE, self._time_is_up)
            return
        self.fail(TimeLimit(f"{self.limits.time:g} s"))

    def fail(self, error: LlmspellError) -> None:
        """Ends the run with `error`; no instruction of the script runs after it."""
        if self.result is not None:
            return
        self._asked.clear()
        try:
            self._absorb(self.isolate.interrupt(error))
        finally:
            # Whatever happens in there: a run that has failed must end.
            self.result = self.result or Ended(MAIN, error=error)
            self._finished()

    def broke(self, error: BaseException) -> None:
        """Ends the run with what no script is told, such as what a callback of the program raised.

        It is raised to whoever runs the spell.
        """
        self._broken = self._broken or error
        self.fail(InternalError(f"{type(error).__name__}: {error}"))

    def _absorb(self, answer: Answer) -> None:
        self._busy = isinstance(answer, Busy)
        self._pause = answer.pause if isinstance(answer, Busy) else 0.0
        given_up = answer.cancelled and set(answer.cancelled)
        # Before the calls: they do not receive what a cancelled task had sent.
        if given_up:
            for number in set(given_up).difference(call.id for call in answer.calls):
                self._cancel(number)
        try:
            # Over, it may still hear of calls that a process had made before it knew.
            for call in answer.calls if self.result is None else ():
                if call.id == 0:
                    self.gate.tell(call.name, call.args)
                else:
                    self._admit(call)
                if given_up and call.id in given_up:
                    self._cancel(call.id)
            while self._asked and self._has_room():
                self._take(self._asked.popleft())
        except LlmspellError as error:
            self.fail(error)
            return
        except Exception as error:  # noqa: BLE001 - nobody above could end the run for it
            self.broke(error)
            return
        if answer.dropped:
            self._dropped += answer.dropped
        if self._dropped and not self._asked:
            # Not before the calls that use them.
            for number, times in self._dropped:
                self.gate.release(number, times)
            self._dropped.clear()
        for ended in answer.ended:
            if ended.entry == MAIN:
                self.result = self.result or ended
            elif ended.entry in self._handlers and ended.error is not None:
                self.fail(ended.error)
            elif (future := self._entries.get(ended.entry)) is not None and not future.done():
                future.set_result(ended)
        if answer.near or self.meter.near:
            self._warn(*answer.near)

    @property
    def stalled(self) -> bool:
        """Whether every task waits for what only another task, run or program can do."""
        return bool(self._waits) and not self._timed and self._rests and not self._tasks

    def alone(self) -> bool:
        """Whether the script waits for no more than one call, which is at work."""
        return self._rests and not self._waits and len(self._tasks) <= 1 and not self.gate.replays

    @property
    def _rests(self) -> bool:
        return (
            self.result is None
            and not (self._ready or self._asked or self._coming or self._busy)
            and not (isinstance(self.isolate, Remote) and self.isolate.working)
        )

    def reach(self) -> tuple[bool, bool]:
        """Whether another run may end one of its waits, and whether the program may."""
        parties = [party for wait in self._waits.values() for _, party in wait.parties()]
        return any(party.name for party in parties), any(party.outside for party in parties)

    def _look_for_deadlock(self) -> None:
        if self.stalled:
            shared, _ = self.reach()
            if not shared:
                self.deadlock()
            elif self.neighbours is not None:
                self.neighbours.look(self._loop)
        elif self._rest is None and not (self._timed or self._tasks):
            # It works elsewhere, and has not yet said that it is at rest.
            self._rest = self._loop.call_later(REST, self._look_again)

    def _look_again(self) -> None:
        self._rest = None
        self._pump()

    def deadlock(self) -> None:
        """Ends the run: no task of it can go on. The engine says who waits for what."""
        some = list(self._waits.items())[:MAX_TOLD]
        self._absorb(self.isolate.deadlock({n: self.gate.waits_for(wait) for n, wait in some}))
        self._finished()

    async def _cancel_all(self) -> None:
        for number in [*self._coming, *self._tasks]:
            self._cancel(number)
        for future in self._entries.values():
            if not future.done():
                future.set_result(Ended(0, error=Cancelled("the spell has ended")))
        if self._dying:
            import asyncio

            await asyncio.wait(list(self._dying))
