"""The threads in which scripts of JavaScript compute."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Protocol

THREAD_STACK = 16 * 1024 * 1024
"""Bytes of the stack of a thread a VM runs in: that of WebAssembly lies on it."""


class Worker(Protocol):
    """What has turns to take."""

    def work(self) -> None:
        """Takes them."""


class Threads:
    """Threads for turns: as many as run at the same time, kept for the next."""

    def __init__(self) -> None:
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


threads = Threads()
"""Those of this process."""
