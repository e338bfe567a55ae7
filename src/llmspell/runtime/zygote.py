"""Where workers come from: a warm process that forks them, or fresh interpreters."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache

from ..errors import SpellCrashed
from .frames import exit_frame

PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables an interpreter may need to start at all; a worker removes them too."""

BOOT = "import sys; sys.path += sys.argv[3:]; from llmspell.runtime.worker import main; main()"

Kill = Callable[[], None]
Launch = Callable[[socket.socket], Kill | None]
"""Starts a worker on one end of a channel. What it gives, if anything, kills one whose channel has
been closed."""


class Zygote:
    """Starts workers by forking one warm process; starts that anew when it is gone."""

    def __init__(self, names: bytes) -> None:
        self._names = names
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, channel: socket.socket) -> None:
        """Has a worker forked. Raises BlockingIOError while too many wait to be.

        The zygote itself kills a worker whose channel is closed.
        """
        with self._lock:
            for last in (False, True):
                if self._owner != os.getpid():
                    self._control = self._process = None  # those of the process we were forked from
                if self._control is None:
                    self._start()
                assert self._control is not None
                try:
                    socket.send_fds(self._control, [b"."], [channel.fileno()])
                    return
                except BlockingIOError:
                    raise
                except OSError:
                    self._stop()
                    if last:
                        break
        raise SpellCrashed("could not be started")

    def _start(self) -> None:
        self._owner = os.getpid()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs, "zygote", self._names)
        self._control.setblocking(False)

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def stop(self) -> None:
        """Ends the zygote and every worker of it."""
        with self._lock:
            if self._owner == os.getpid():
                self._stop()


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


@cache
def launcher(names: bytes) -> Launch:
    """What starts workers on this system. `names` is the frame they are told first."""
    if sys.platform != "linux":
        return spawn(names)
    zygote = Zygote(names)
    atexit.register(zygote.stop)
    return zygote
