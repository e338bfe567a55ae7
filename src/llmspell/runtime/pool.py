"""Isolates made ahead of their runs, and a bound on the runs at the same time.

    async with Session(pool=Pool(min=4, max=100)) as session:
        await session.run("hello.lua")
        print(session.pool.metrics)

An isolate is handed out once, never used before, and closed after its run: what one run did to its
world, the next cannot see, because it has another. So there is nothing to reset; making is what is
taken out of the way of a run. How many are kept ready follows from how many were asked for lately.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engines.base import Answer, Engine, Isolate, Remote
from ..errors import (
    InternalError,
    LlmspellError,
    PoolTimeout,
    ShutDown,
    SpellCrashed,
    UsageError,
)
from ..limits import Limits
from .lifecycle import Life, Lives

if TYPE_CHECKING:
    from .run import Run
    from .session import Session

DEMAND = 10.0
"""Seconds of the past that say how many isolates to keep ready."""

SAMPLES = 20
"""Isolates that the health score is made of: those that were tried last."""

HEALTHY = 0.5
"""Health below which nothing is made ahead: it would only fail ahead."""

FEW = 4
"""Isolates before which no health score is believed."""


class PoolMetrics(NamedTuple):
    """What a pool holds and has done.

    ready, active, waiting: isolates that wait for a run; runs; runs that wait to begin.
    peak: most runs at the same time.
    made, handed_out: isolates made ahead, and those of them that got a run.
    missed: runs for which none was ready: theirs was made when they began.
    discarded: isolates that could not be made or did not answer any more.
    expired: isolates closed unused: nobody asked for them, or they were too old.
    timeouts: runs that waited too long to begin.
    waited: seconds that runs have waited to begin, together.
    health: share of the isolates tried last that worked, from 0 to 1.
    generation: how often the pool was renewed, from 1.
    """

    ready: int
    active: int
    waiting: int
    peak: int
    made: int
    handed_out: int
    missed: int
    discarded: int
    expired: int
    timeouts: int
    waited: float
    health: float
    generation: int


class Key(NamedTuple):
    """What isolates are kept ready for. Where they work elsewhere, limits are set for good."""

    engine: Engine
    limits: Limits | None


class Ready:
    """An isolate that has not been used."""

    __slots__ = ("_pool", "isolate", "life", "lost", "taken")

    def __init__(self, pool: Pool, isolate: Isolate, life: Life) -> None:
        self._pool = pool
        self.isolate = isolate
        self.life = life
        self.lost: LlmspellError | None = None
        self.taken = False

    def heard(self, answer: Answer) -> None:
        """What works elsewhere says something, before it was asked anything."""
        self.failed(SpellCrashed("spoke before it was asked anything"))

    def failed(self, error: LlmspellError) -> None:
        """What works elsewhere is gone. A run that has taken it gets another in its place."""
        if self.lost is None:
            self.lost = error
            if self.taken:
                self._pool.note_discarded(str(error))


class Pool:
    """Isolates of one session that are ready before they are needed.

    min: isolates kept ready at least.
    max: runs at the same time at most; no more are kept ready than may still begin.
    idle: seconds after which one that nobody asked for is closed, down to `min`.
    lifetime: seconds after which one is closed in any case.
    timeout: seconds a run waits to begin when `max` are running; None for as long as it takes.

    Raises UsageError for numbers that cannot be.
    """

    def __init__(
        self,
        *,
        min: int = 1,
        max: int = 100,
        idle: float = 60.0,
        lifetime: float = 600.0,
        timeout: float | None = 30.0,
    ) -> None:
        for name, number in (("min", min), ("max", max)):
            if type(number) is not int or number < (name == "max"):
                raise UsageError(f"pool: {name} must be a whole number, got {number!r}")
        if min > max:
            raise UsageError(f"pool: min is {min}, which is more than max, {max}")
        for name, seconds in (("idle", idle), ("lifetime", lifetime), ("timeout", timeout)):
            given = seconds is not None or name != "timeout"
            if given and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
                raise UsageError(f"pool: {name} must be a number of seconds, got {seconds!r}")
            if isinstance(seconds, int | float) and not seconds > 0:
                raise UsageError(f"pool: {name} must be above 0, got {seconds!r}")
        self.min = min
        self.max = max
        self.idle = idle
        self.lifetime = lifetime
        self.timeout = timeout
        self.generation = 1
        self._session: Session | None = None
        self._lives: Lives
        self._ready: dict[Key, deque[Ready]] = {}
        self._asked: dict[Key, deque[float]] = {}
        self._making: dict[Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._runs: set[Run] = set()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._empty: asyncio.Event | None = None
        self._closed = self._ailing = False
        self._places = self._peak = self._made = self._handed = self._missed = 0
        self._discarded = self._expired = self._timeouts = 0
        self._waited = 0.0
        self._samples: deque[bool] = deque(maxlen=SAMPLES)

    @classmethod
    def of(cls, given: Pool | Mapping[str, Any]) -> Pool:
        """A pool, or the numbers of one."""
        if isinstance(given, Pool):
            return given
        if not isinstance(given, Mapping):
            raise UsageError(f"pool must be a Pool or its numbers, got {type(given).__name__}")
        try:
            return cls(**given)
        except TypeError:
            known = "min, max, idle, lifetime, timeout"
            raise UsageError(f"pool: {', '.join(map(str, given))}: use some of {known}") from None

    def join(self, session: Session, lives: Lives) -> None:
        """Makes it the pool of a session. Raises UsageError when it is that of another."""
        if self._session is not None:
            raise UsageError("pool: it belongs to another session")
        self._session, self._lives = session, lives

    @property
    def health(self) -> float:
        """Share of the isolates tried last that worked; 1 before any was."""
        return sum(self._samples) / len(self._samples) if self._samples else 1.0

    @property
    def metrics(self) -> PoolMetrics:
        """What it holds and has done."""
        return PoolMetrics(
            ready=sum(map(len, self._ready.values())),
            active=len(self._runs),
            waiting=sum(not waiter.done() for waiter in self._queue),
            peak=self._peak,
            made=self._made,
            handed_out=self._handed,
            missed=self._missed,
            discarded=self._discarded,
            expired=self._expired,
            timeouts=self._timeouts,
            waited=self._waited,
            health=self.health,
            generation=self.generation,
        )

    # Runs.

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among the runs at the same time. Raises PoolTimeout, or ShutDown."""
        if self._closed:
            raise ShutDown()
        if self._places >= self.max or self._queue:
            await self._wait()
        else:
            self._places += 1
        try:
            yield
        finally:
            self._give_place()
            self._tend_soon()

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        began = monotonic()
        try:
            async with asyncio.timeout(self.timeout):
                await waiter
        except TimeoutError:
            if waiter.done() and not waiter.cancelled():
                return  # its turn came in the same moment
            self._timeouts += 1
            how = f"for {self.timeout:g} s as many were running as may, {self.max}"
            raise PoolTimeout(how) from None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_place()
            raise
        finally:
            self._waited += monotonic() - began
            if waiter in self._queue:
                self._queue.remove(waiter)

    def _give_place(self) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._places -= 1

    def enter(self, run: Run) -> None:
        """A run begins, in a place."""
        self._runs.add(run)
        self._peak = max(self._peak, len(self._runs))

    def leave(self, run: Run) -> None:
        """A run has ended. One that its isolate failed counts against the health of the pool."""
        self._runs.discard(run)
        failed = isinstance(run.result.error, SpellCrashed | InternalError)
        self._note(not failed, str(run.result.error))
        if self._empty is not None and not self._runs:
            self._empty.set()

    def take(self, engine: Engine, limits: Limits) -> tuple[Isolate, Life] | None:
        """An isolate nobody has used, within `limits`; None when none is ready."""
        for key in (Key(engine, None), Key(engine, limits)):
            queue = self._ready.get(key)
            while queue:
                ready = queue.popleft()
                if self._fresh(ready) and self._answers(ready):
                    ready.isolate.confine(limits)
                    ready.taken = True
                    self._handed += 1
                    self._count_demand(key)
                    return ready.isolate, ready.life
        self._missed += 1
        return None

    def missed(self, engine: Engine, isolate: Isolate, limits: Limits) -> None:
        """A run had to make its isolate itself: more of that kind are wanted."""
        assert self._session is not None
        key = Key(engine, limits if isinstance(isolate, Remote) else None)
        if key.limits in (None, self._session.limits):  # others are those of one run
            self._count_demand(key)

    def _count_demand(self, key: Key) -> None:
        asked = self._asked[key] = self._asked.pop(key, deque())  # behind all others
        asked.append(monotonic())
        self._tend_soon()

    def _fresh(self, ready: Ready) -> bool:
        if monotonic() - ready.life.made <= self.lifetime:
            return True
        self._recycle(ready, "lifetime")
        return False

    def _answers(self, ready: Ready) -> bool:
        """Checks the health of one that is about to be handed out."""
        try:
            fine = ready.lost is None and ready.isolate.answers()
            why = "it does not answer" if ready.lost is None else str(ready.lost)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not used
            fine, why = False, f"{type(error).__name__}: {error}"
        if not fine:
            self._discard(ready, why)
        return fine

    # What is kept ready.

    async def start(self) -> None:
        """Makes the isolates that are to be ready at least."""
        self._asked.setdefault(self._first(), deque())
        self._tend()
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    def renew(self) -> None:
        """Starts a new generation: what is ready is closed and made anew, runs go on to their end.

        For when what isolates are made from has changed.
        """
        self.generation += 1
        for queue in self._ready.values():
            while queue:
                self._recycle(queue.popleft(), "generation")
        self._tend_soon()

    def _first(self) -> Key:
        session = self._session
        assert session is not None
        limits = session.limits if session.isolation == "process" else None
        return Key(session.default_engine(), limits)

    def _wanted(self, room: int) -> dict[Key, int]:
        """As many of each as were asked for lately, but `min` first; together at most `room`."""
        since, first = monotonic() - DEMAND, self._first()
        wanted = {first: min(self.min, room)} if first in self._asked else {}
        left = room - sum(wanted.values())
        for key, asked in reversed(self._asked.items()):
            while asked and (asked[0] < since or len(asked) > self.max):
                asked.popleft()
            has = wanted.get(key, 0)
            wanted[key] = max(has, min(len(asked), has + left))
            left -= wanted[key] - has
        return wanted

    def _tend_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if not self._closed:
            self._timer = asyncio.get_running_loop().call_later(0, self._tend)

    def _tend(self) -> None:
        """Closes what is too old, makes what is missing, one at a time, and looks again later."""
        if self._closed:
            return
        busy, room = False, max(0, self.max - self._places)  # those that may still begin
        wanted = self._wanted(room)
        self._expire(wanted, room)
        for key, number in wanted.items():
            missing = number - len(self._ready.get(key, ())) - self._making.get(key, 0)
            if missing > 0 and not self._resting():
                busy = True
                self._making[key] = self._making.get(key, 0) + 1
                task = asyncio.get_running_loop().create_task(self._make(key))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if self._timer is not None:
            self._timer.cancel()
        pause = 0.0 if busy else self._until_next()
        self._timer = asyncio.get_running_loop().call_later(pause, self._tend)

    def _until_next(self) -> float:
        """Seconds until the oldest that is ready has reached an age to be looked at."""
        now, ages = monotonic(), [self.idle, self.lifetime]
        made = [ready.life.made for queue in self._ready.values() for ready in queue]
        due = [then + age - now for then in made for age in ages]
        return max(0.01, min(seconds for seconds in (DEMAND, *due) if seconds > 0))

    def _expire(self, wanted: Mapping[Key, int], room: int) -> None:
        """Closes what is too old, lost or idle, and at once what there is no room for."""
        now = monotonic()
        for queue in self._ready.values():
            while queue and now - queue[0].life.made > self.lifetime:
                self._recycle(queue.popleft(), "lifetime")
            for ready in list(queue):
                if ready.lost is not None:
                    queue.remove(ready)
                    self._discard(ready, str(ready.lost))
        over = sum(map(len, self._ready.values())) + sum(self._making.values()) - room
        for key in self._asked:
            queue = self._ready.get(key, deque[Ready]())
            while len(queue) > wanted[key] and (over > 0 or now - queue[0].life.made > self.idle):
                self._recycle(queue.popleft(), "idle")
                over -= 1

    async def _make(self, key: Key) -> None:
        session = self._session
        assert session is not None
        generation = self.generation
        isolate: Isolate | None = None
        try:
            session.cache.lend(key.engine)
            isolate = key.engine.isolate(session.names, key.limits or session.limits)
            ready = Ready(self, isolate, self._lives.begin(key.engine.name, generation))
            if isinstance(isolate, Remote):
                await isolate.connect(ready.heard, ready.failed)
            if not isolate.answers():
                raise InternalError("it does not answer")
        except BaseException as error:
            if isolate is not None:
                isolate.close()
            if not isinstance(error, Exception):
                raise
            self._lives.failed(key.engine.name, generation, str(error))
            self.note_discarded(str(error))
            return
        finally:
            self._making[key] -= 1
        self._made += 1
        self._note(True)
        ready.life.tell("warmed")
        if self._closed or generation != self.generation:
            self._recycle(ready, "shutdown" if self._closed else "generation")
            return
        ready.life.tell("idle")
        self._ready.setdefault(key, deque()).append(ready)
        self._tend_soon()

    def _recycle(self, ready: Ready, reason: str) -> None:
        self._expired += reason in ("idle", "lifetime")
        ready.isolate.close()
        ready.life.tell("recycled", reason)

    def note_discarded(self, why: str) -> None:
        """Counts one that is not used because something is wrong with it."""
        self._discarded += 1
        self._note(False, why)

    def _discard(self, ready: Ready, why: str) -> None:
        self.note_discarded(why)
        ready.isolate.close()
        ready.life.tell("error", why)

    def _note(self, worked: bool, why: str = "") -> None:
        """Counts one that was tried, and tells when the pool falls ill or is well again."""
        assert self._session is not None
        self._samples.append(worked)
        before, self._ailing = self._ailing, self._resting()
        if self._ailing and not before:
            failed = f"{len(self._samples) - sum(self._samples)} of {len(self._samples)}"
            text = f"the pool makes nothing ahead any more: {failed} isolates failed, last: {why}"
            self._session.services.notify(text)
        elif before and not self._ailing:
            self._session.services.notify("the pool makes isolates ahead again")

    def _resting(self) -> bool:
        return len(self._samples) >= FEW and self.health < HEALTHY

    # The end.

    async def aclose(self, deadline: float = 0.0) -> None:
        """Lets runs end for `deadline` seconds, then ends them with ShutDown. Nothing new begins.

        Runs that wait to begin fail at once, also with ShutDown.
        """
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for waiter in self._queue:
            if not waiter.done():
                waiter.set_exception(ShutDown())
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        for queue in self._ready.values():
            while queue:
                self._recycle(queue.popleft(), "shutdown")
        if self._runs and deadline > 0:
            await self._wait_for_runs(deadline)
        for run in list(self._runs):
            run.driver.fail(ShutDown())
        await self._wait_for_runs(None)

    async def _wait_for_runs(self, seconds: float | None) -> None:
        if self._runs:
            self._empty = asyncio.Event()
            try:
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                pass
