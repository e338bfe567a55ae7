"""The threads in which scripts of JavaScript compute."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic, sleep
from typing import Protocol

from ..forks import in_child

THREAD_STACK = 16 * 1024 * 1024
"""Bytes of the stack of a thread a VM runs in: that of WebAssembly lies on it."""


class Worker(Protocol):
    """What has turns to take."""

    def work(self) -> None:
        """Takes them."""


class Waiter(Protocol):
    """What is at rest, and may be for long."""

    rested: float
    told: bool

    def fold(self) -> None:
        """Gives back what it does not need while it waits."""


REST = 0.25
"""Seconds a script waits before its memory is folded: a call of a few milliseconds is not."""


class Threads:
    """Threads for turns: as many as run at the same time, kept for the next."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begins with none, as a process that was forked has none of its parent's."""
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Worker]] = []

    def run(self, isolate: Worker) -> None:
        """Has a thread take the turns of an isolate."""
        with self._lock:
            queue = self._idle.pop() if self._idle else self._started()
        queue.put(isolate)

    def prepare(self) -> None:
        """Has a thread ready: a process that is locked down can start none."""
        with self._lock:
            if not self._idle:
                self._idle.append(self._started())

    def _started(self) -> SimpleQueue[Worker]:
        queue: SimpleQueue[Worker] = SimpleQueue()
        before = threading.stack_size(THREAD_STACK)
        try:
            threading.Thread(
                target=self._serve, args=(queue,), name="javascript", daemon=True
            ).start()
        finally:
            threading.stack_size(before)
        return queue

    def _serve(self, queue: SimpleQueue[Worker]) -> None:
        while True:
            queue.get().work()
            with self._lock:
                self._idle.append(queue)


class Resting:
    """Has what waits for long give its memory back. In one thread, made when something waits."""

    def __init__(self) -> None:
        self._able = True
        self.begin()

    def begin(self) -> None:
        """Begins without a thread, as a process that was forked has none of its parent's."""
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Waiter] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def stop(self) -> None:
        """Does nothing from now on: a process that is locked down can start no thread."""
        self._able = False

    def add(self, waiter: Waiter) -> None:
        """Notes that a script has come to rest."""
        waiter.rested = monotonic()
        if not self._able or waiter.told:
            return
        with self._lock:
            told, waiter.told = waiter.told, True
            if not told:
                self._queue.put(waiter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="javascript rest")
                self._thread.daemon = True
                self._thread.start()

    def _run(self) -> None:
        while True:
            waiter = self._queue.get()
            sleep(max(0.0, waiter.rested + REST - monotonic()))
            with self._lock:
                waiter.told = waiter.rested + REST > monotonic()
            if waiter.told:
                self._queue.put(waiter)
            else:
                with suppress(Exception):  # what is not folded is only larger
                    waiter.fold()


threads = Threads()
resting = Resting()
"""Those of this process."""

in_child(threads.begin)
in_child(resting.begin)
