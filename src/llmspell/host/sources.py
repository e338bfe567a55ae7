"""Texts of script files, read again only when they have changed.

A file is unchanged when its stamp is: device, inode, size, and the times of its last change to the
nanosecond, one of which (ctime) nobody can set. A file system counts time in ticks, so two writes
may share one; a text that was read within SETTLED of the file's last change is therefore read
again the next time.
"""

from __future__ import annotations

import os
import stat
from _thread import allocate_lock  # threading would cost the start of a spell a millisecond
from collections import OrderedDict
from collections.abc import Callable
from errno import EFBIG
from time import time_ns

from ..errors import FileFailure

Stamp = tuple[int, ...]
"""Changes whenever the file does."""

SETTLED = 2_000_000_000
"""Nanoseconds after which a change would show in the stamp: the longest tick, that of FAT."""

MAX_FILES = 1000
MAX_CHARACTERS = 16 * 1024 * 1024
"""Of all texts that are kept."""

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a file: no engine takes so long a program."""

TRIES = 10
"""Times a file is read that somebody is writing."""


class Kept:
    """A text, the stamp of its file, and whether a later change would show in the stamp."""

    __slots__ = ("settled", "stamp", "text")

    def __init__(self, text: str, stamp: Stamp, settled: bool) -> None:
        self.text = text
        self.stamp = stamp
        self.settled = settled


class Sources:
    """The texts read last, by path. Any thread may use it.

    `reads` counts files that were read, `unchanged` those that did not have to be.
    """

    def __init__(self) -> None:
        self.reads = self.unchanged = 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._characters = 0
        self._lock = allocate_lock()

    def text(self, path: str, look: Callable[[], Stamp], read: Callable[[], bytes]) -> str:
        """The text of the file now: all of one version of it, never parts of two.

        path: what it is kept under; `look` gives its stamp, `read` what it holds. Line
            ends are "\\n" afterwards, and a byte order mark is dropped.
        Raises what they raise, UnicodeDecodeError where it is not UTF-8, and
        FileFailure where it does not keep still.
        """
        now = look()
        with self._lock:
            kept = self._kept.get(path)
            if kept is not None and kept.stamp == now and kept.settled:
                self._kept.move_to_end(path)
                self.unchanged += 1
                return kept.text
        for _ in range(TRIES):
            data, before, now = read(), now, look()
            if before == now:
                break
        else:
            raise FileFailure(
                f"cannot read {os.path.basename(path)}: it is being written all the time"
            )
        text = _decoded(data)
        if kept is not None and kept.text == text:
            text = kept.text  # the same object: who kept something for it need not compare
        settled = time_ns() - max(now[-2:]) > SETTLED
        self._keep(path, Kept(text, now, settled))
        return text

    def now(self, path: str) -> str:
        """The text of a file anywhere. Raises OSError too."""
        if not stat.S_ISREG(os.stat(path).st_mode):
            return _decoded(_content(path))  # a pipe can be read once
        return self.text(path, lambda: stamp_of(os.stat(path)), lambda: _content(path))

    def is_current(self, path: str) -> bool:
        """Whether what is kept of a file is surely what it holds. Costs one look at its state."""
        kept = self._kept.get(path)
        try:
            return kept is not None and kept.settled and kept.stamp == stamp_of(os.stat(path))
        except OSError:
            return False

    def _keep(self, path: str, new: Kept) -> None:
        with self._lock:
            self.reads += 1
            old = self._kept.pop(path, None)
            self._characters += len(new.text) - (len(old.text) if old else 0)
            self._kept[path] = new
            while len(self._kept) > MAX_FILES or self._characters > MAX_CHARACTERS:
                _, gone = self._kept.popitem(last=False)
                self._characters -= len(gone.text)


def stamp_of(state: os.stat_result) -> Stamp:
    """The stamp of a file in this state."""
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _decoded(data: bytes) -> str:
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError(EFBIG, f"it is larger than {MAX_FILE} bytes")
    return data
