"""Opens directories so that nothing but the names given leads there: no link, no mount trick.

Linux does it in one call, openat2(2) with RESOLVE_BENEATH; elsewhere the path is walked a name at
a time, each step refusing links. Both hold when somebody changes the tree meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

# O_PATH wants only search permission on a directory, as resolving the path itself does.
# Where it is missing (macOS) the directory is opened for reading.
STEP: int = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

OPENAT2 = 437
"""Its number, the same on every architecture of Linux."""

NO_LINKS_BENEATH = 0x02 | 0x04 | 0x08
"""RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH of linux/openat2.h."""


@contextlib.contextmanager
def directory(names: tuple[str, ...], *, make: Callable[[], object] | None = None) -> Iterator[int]:
    """A descriptor of the directory `names` lead to from "/".

    With `make`, what is missing is made, and `make` called before each. Raises OSError: ELOOP where
    a link is in the way.
    """
    call = None if make is not None else _openat2()
    opened = _walk(names, make) if call is None else call(names)
    try:
        yield opened
    finally:
        os.close(opened)


def _walk(names: tuple[str, ...], make: Callable[[], object] | None) -> int:
    opened = os.open("/", STEP)
    try:
        for name in names:
            if make is not None and not _is_there(name, opened):
                make()
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=opened)
            below = step(name, STEP, opened)
            os.close(opened)
            opened = below
    except BaseException:
        os.close(opened)
        raise
    return opened


def _is_there(name: str, above: int) -> bool:
    try:
        os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def step(name: str, flags: int, above: int) -> int:
    """Opens one directory in another. A link is ELOOP everywhere: Linux says ENOTDIR for it."""
    try:
        return os.open(name, flags, dir_fd=above)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "") from None
        raise


@cache
def _openat2() -> Any:
    """A function that opens what names lead to in one call, or None where there is none."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    # Without O_NOFOLLOW, which would call a link at the end of the path no directory.
    how = struct.pack("QQQ", STEP & ~os.O_NOFOLLOW, 0, NO_LINKS_BENEATH)

    def call(names: tuple[str, ...]) -> int:
        path = os.fsencode("/".join(names) or ".")
        root = os.open("/", STEP)
        try:
            # EAGAIN: the tree was changed while it was looked at.
            for _ in range(100):
                opened = int(libc.syscall(OPENAT2, root, path, how, len(how)))
                if opened >= 0:
                    os.set_inheritable(opened, False)
                    return opened
                if (number := ctypes.get_errno()) != errno.EAGAIN:
                    raise OSError(number, os.strerror(number))
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        finally:
            os.close(root)

    try:
        os.close(call(()))
    except OSError:
        return None
    return call
