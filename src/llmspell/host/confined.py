"""Work that a stranger could make long or large, done in a process of its own that is killed then.

    run(program, job, patience)    what the program answers to a job, or None when it failed

The program is a file of this folder, which bounds its own memory and time. It is run by its path,
so it can import nothing of llmspell. Its answer is bounded here, as it may be taken over.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer."""


async def run(program: str, job: bytes, patience: float) -> bytes | None:
    """The answer of a program. It is killed after `patience` seconds, or when nobody waits."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    # A thread of its own: the loop's may all be busy, and would be called off unbegun. It starts
    # the process as well, which takes long where others have the processors.
    thread, child = ThreadPoolExecutor(1), _Child(program)
    talk = asyncio.wrap_future(thread.submit(child.talk, job, patience))
    thread.shutdown(wait=False)
    try:
        return await asyncio.shield(talk)
    except asyncio.CancelledError:
        child.kill()
        # The thread sees it end. Nothing of either may be left when the run is over.
        while not talk.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({talk})
        talk.exception()
        raise


class _Child:
    """One process, which may be killed before it is there."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False

    def kill(self) -> None:
        self._over = True
        if self._process is not None:
            self._process.kill()

    def talk(self, job: bytes, patience: float) -> bytes | None:
        """Gives it its job and takes its answer."""
        from threading import Thread, Timer

        process = self._process = _started(self._program)
        if self._over:
            process.kill()
        assert process.stdout is not None
        timer = Timer(patience, process.kill)
        feeder = Thread(target=_feed, args=(process, job))
        timer.start()
        feeder.start()
        try:
            told = process.stdout.read(MAX_ANSWER + 1)
            if len(told) > MAX_ANSWER:
                process.kill()
        finally:
            process.wait()
            timer.cancel()
            feeder.join()
            process.stdout.close()
        return told if process.returncode == 0 and len(told) <= MAX_ANSWER else None


def _feed(process: subprocess.Popen[bytes], job: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(job)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _started(program: str) -> subprocess.Popen[bytes]:
    import json
    import subprocess
    import sys

    return subprocess.Popen(
        [sys.executable, "-I", program, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Windows starts nothing without this one.
        env={name: value for name, value in os.environ.items() if name == "SYSTEMROOT"},
    )
