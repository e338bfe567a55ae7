"""The clock that has running VMs look now and then whether they are to stop."""

from __future__ import annotations

import threading
from time import sleep
from typing import Protocol

import wasmtime

from ..forks import in_child

TICK = 0.004
"""Seconds from one look of the clock at what runs to the next."""

ROUND = 8
"""Ticks after which every running VM is interrupted. Between, only those are that are to stop: each
needs the interpreter for a moment, and has it while the system lets others compute in its place."""

IDLE = 8
"""Ticks in which no VM runs, after which the clock stops: a script that makes calls does not wake
it for each."""


class Runner(Protocol):
    """A VM."""

    def is_over(self) -> bool:
        """Whether it is to stop. Called in the thread of the clock."""


class Ticker:
    """Counts the time for all VMs of the process, while any runs."""

    def __init__(self) -> None:
        self._engine: wasmtime.Engine | None = None
        self.begin()

    def begin(self) -> None:
        """Begins without a thread, as a process that was forked has none of its parent's."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._running: list[Runner] = []
        self._stands = True
        self._started = False

    def start(self, engine: wasmtime.Engine) -> None:
        """Starts the thread, unless there is one."""
        with self._lock:
            if self._engine is None:
                self._engine = engine
                self._start()

    def _start(self) -> None:
        self._started = True
        threading.Thread(target=self._run, name="javascript clock", daemon=True).start()

    def enter(self, runner: Runner) -> None:
        """Counts for it from now on."""
        with self._lock:
            if not self._started and self._engine is not None:
                self._start()
            self._running.append(runner)
            if self._stands:
                self._stands = False
                self._wake.set()

    def leave(self, runner: Runner) -> None:
        """Does so no more."""
        with self._lock:
            self._running.remove(runner)

    def _run(self) -> None:
        assert self._engine is not None
        idle = ticks = 0
        while True:
            if idle > IDLE:
                with self._lock:
                    self._stands = not self._running
                    if self._stands:
                        self._wake.clear()
                idle = 0
            self._wake.wait()
            sleep(TICK)
            running = list(self._running)
            ticks += 1
            if ticks >= ROUND or any(runner.is_over() for runner in running):
                self._engine.increment_epoch()
                ticks = 0
            idle = 0 if running else idle + 1


ticking = Ticker()
"""That of this process."""

in_child(ticking.begin)
