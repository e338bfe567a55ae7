"""Where workers come from: a warm process that forks them, or fresh interpreters."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from weakref import WeakValueDictionary

from ..errors import SpellCrashed
from ..forks import in_child
from .frames import exit_frame

PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables an interpreter may need to start at all; a worker removes them too."""

WARM = 8
"""Zygotes that are kept warm, each of some 24 MB: more only while they all have workers."""

BOOT = "import sys; sys.path += sys.argv[3:]; from llmspell.runtime.worker import main; main()"

Kill = Callable[[], None]
Launch = Callable[[socket.socket], Kill | None]
"""Starts a worker on one end of a channel. What it gives, if anything, kills one whose channel has
been closed."""


class Zygote:
    """Starts workers by forking one warm process; starts that anew when it is gone."""

    def __init__(self, names: bytes, among: Zygotes) -> None:
        self._names = names
        self._among = among
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: set[object] = set()

    def __call__(self, channel: socket.socket) -> Kill:
        """Has a worker forked. Raises BlockingIOError while too many wait to be.

        The zygote itself kills a worker whose channel is closed.
        """
        worker = object()
        with self._among.lock:
            for _ in range(2):
                if self._control is None:
                    self._start()
                assert self._control is not None
                self._workers.add(worker)
                self._among.used(self)
                try:
                    socket.send_fds(self._control, [b"."], [channel.fileno()])
                    return partial(self._forget, self._workers, worker)
                except BlockingIOError:
                    self._workers.discard(worker)
                    raise
                except OSError:
                    self.stop()
        raise SpellCrashed("could not be started")

    @property
    def busy(self) -> bool:
        """Whether it may have a worker."""
        return bool(self._workers)

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs, "zygote", self._names)
        self._control.setblocking(False)

    def _forget(self, workers: set[object], worker: object) -> None:
        workers.discard(worker)
        if not workers:
            self._among.tidy()

    def stop(self) -> None:
        """Ends the zygote and every worker of it."""
        process = self._process
        self.leave()
        if process is not None:
            process.kill()
            process.wait()

    def leave(self) -> None:
        """Leaves it to the process this one was forked from."""
        if self._control is not None:
            self._control.close()
        self._control = self._process = None
        self._workers = set()  # those of before are told no more


class Zygotes:
    """The zygotes of this process, one for each set of names: few are kept warm."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._all: WeakValueDictionary[bytes, Zygote] = WeakValueDictionary()
        self._warm: OrderedDict[Zygote, None] = OrderedDict()

    def of(self, names: bytes) -> Zygote:
        """The one that is told these names first."""
        with self.lock:
            found = self._all.get(names)
            if found is None:
                found = self._all[names] = Zygote(names, self)
            return found

    def used(self, zygote: Zygote) -> None:
        """Notes that one is about to start a worker. Called with the lock."""
        self._warm[zygote] = None
        self._warm.move_to_end(zygote)
        if len(self._warm) > WARM:
            self._make_room()

    def tidy(self) -> None:
        """Ends what is too many. Not in the way of others: they do so when they are done."""
        if len(self._warm) > WARM and self.lock.acquire(blocking=False):
            try:
                self._make_room()
            finally:
                self.lock.release()

    def _make_room(self) -> None:
        """Ends those that were used longest ago; none with a worker, which would end with it."""
        idle = [zygote for zygote in self._warm if not zygote.busy]
        for zygote in idle[: len(self._warm) - WARM]:
            del self._warm[zygote]
            zygote.stop()

    def stop(self) -> None:
        """Ends all."""
        with self.lock:
            for zygote in self._warm:
                zygote.stop()
            self._warm.clear()

    def leave(self) -> None:
        """Has none: this process was forked from the one they are of."""
        self.lock = threading.Lock()
        for zygote in self._warm:
            zygote.leave()
        self._warm.clear()


zygotes = Zygotes()
"""Those of this process."""

atexit.register(zygotes.stop)
in_child(zygotes.leave)


def spawn(names: bytes) -> Launch:
    """Starts workers as fresh interpreters: where there is no fork, or none that is safe."""

    def launch(channel: socket.socket) -> Kill:
        process = _spawn(channel, "worker", names)
        copy = channel.dup()

        def report() -> None:
            code = process.wait()
            with copy, suppress(OSError):
                copy.setblocking(False)
                copy.send(exit_frame(-code if code < 0 else code << 8))

        threading.Thread(target=report, daemon=True).start()
        return process.kill

    return launch


def _spawn(channel: socket.socket, mode: str, names: bytes) -> subprocess.Popen[bytes]:
    roots = [os.path.dirname(os.path.dirname(os.path.dirname(__file__)))]
    roots += [path for path in sys.path if os.path.isabs(path)]
    environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    command: Sequence[str] = [
        *(sys.executable, "-I", "-S", "-c", BOOT),
        *(str(channel.fileno()), mode, *roots),
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        pass_fds=() if sys.platform == "win32" else (channel.fileno(),),
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin, suppress(BrokenPipeError):
        process.stdin.write(names)
        if sys.platform == "win32":
            process.stdin.write(channel.share(process.pid))
    return process


def launcher(names: bytes) -> Launch:
    """What starts workers on this system. `names` is the frame they are told first."""
    return zygotes.of(names) if sys.platform == "linux" else spawn(names)
