"""This unit gives scripts the local files that the grants allow, and nothing else.

    Files(base, demand)     read, write, append, exists, listing, info,
                            remove, make_directory, move, copy

How one call goes, in this order:

    1. the path as the script wrote it is resolved once, symbolic links included;
    2. what no grant can open is refused: /proc, /sys, /dev, secret files (`.env`, `.env.*`, and
       the key of the chunk cache), and for writing our own settings (`llmspell.toml`);
    3. `demand` is asked about the real path ("fs.read" or "fs.write") and raises `Denied`;
    4. the real path is walked from "/" one directory descriptor at a time, following no link,
       and the work is done relative to the last descriptor.

Step 4 exists because the answer of step 3 is about a name: a link put there in between would make
the name mean another file. A walk that follows no link finds the file that was checked, or fails.

All calls are synchronous: files are local and no larger than `max_bytes`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...errors import BadArgument, CapabilityError, Denied, FileFailure, FileNotFound
from ...policy import denial
from ..sources import Stamp, stamp_of
from . import beneath

Spend = Callable[[int], None]

MAX_BYTES = 16 * 1024 * 1024
MAX_PATH = 4096
"""Bytes of a path, as on most systems: resolving takes time with the square of the length."""
MAX_ENTRIES = 10_000
BLOCK = 4096
"""Bytes that a file or directory is counted as when it is made."""

CLOSED_TREES = ("/proc", "/sys", "/dev")
"""Trees of the operating system that look like files and are doors into processes and devices."""

SECRET_FILES = (".env", "llmspell.key")
"""Names closed to scripts: who has the key of the chunk cache can forge programs without limits."""

# O_NONBLOCK: a fifo put in place of the file must not hang the host.
_LEAF = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_REASONS: dict[int, tuple[type[CapabilityError], str]] = {
    errno.ENOENT: (FileNotFound, "it does not exist"),
    errno.ELOOP: (Denied, "a symbolic link is in the way"),
    errno.ENOTDIR: (FileFailure, "a part of the path is not a directory"),
    errno.EISDIR: (FileFailure, "it is a directory"),
    errno.EEXIST: (FileFailure, "it exists already"),
    errno.ENOTEMPTY: (FileFailure, "the directory is not empty"),
    errno.EACCES: (FileFailure, "the operating system does not allow it"),
    errno.EPERM: (FileFailure, "the operating system does not allow it"),
    errno.EROFS: (FileFailure, "the file system is read-only"),
    errno.ENOSPC: (FileFailure, "the disk is full"),
    errno.EDQUOT: (FileFailure, "the disk quota is used up"),
    errno.ENAMETOOLONG: (FileFailure, "the name is too long"),
    errno.EILSEQ: (FileFailure, "the name is not valid here"),
    errno.EINVAL: (FileFailure, "the name is not valid here"),
    errno.ENXIO: (FileFailure, "it is not a regular file"),
    errno.EMFILE: (FileFailure, "too many files are open"),
    errno.ENFILE: (FileFailure, "too many files are open"),
}


_CHANGING = ("write", "append to", "copy to", "move to", "move", "remove")
"""What a file of settings is closed to: the next run would have other limits and another model."""

_MAKING = ("write", "append to", "copy to", "move to")
"""What makes the file when it is missing: there, only the directory can be not found."""


class Entry(NamedTuple):
    """One name in a directory; `size` is in bytes, and 0 for what is not a file."""

    name: str
    kind: str
    """ "file", "directory" or "other" (links, fifos, devices)."""
    size: int


class Info(NamedTuple):
    """What one path is; `modified` is in seconds since 1970, UTC."""

    name: str
    kind: str
    size: int
    modified: float


class _Place(NamedTuple):
    """A resolved path: the names of its directory below "/", and its own name ("" for "/")."""

    directory: tuple[str, ...]
    name: str

    @property
    def path(self) -> str:
        return "/" + "/".join((*self.directory, self.name) if self.name else self.directory)


def _free(size: int) -> None:
    """Counts nothing."""


class Files:
    """Files beneath the grants. Relative paths are taken from `base`.

    What writes takes `spend`, which is told how many bytes, before they are written.
    """

    def __init__(
        self, base: Path, demand: Callable[[str, str], None], max_bytes: int = MAX_BYTES
    ) -> None:
        self.base = os.path.abspath(base)
        self.max_bytes = max_bytes
        self._demand = demand

    def read(self, path: str) -> bytes:
        """The whole content of a file."""
        with _reported("read", path):
            place = self._place("read", path)
            self._ask("fs.read", place, path)
            return self._content(place, "read", path)[0]

    def write(self, path: str, data: bytes, spend: Spend = _free) -> None:
        """Make `data` the whole content of a file: all of it, or the file stays as it was."""
        with _reported("write", path):
            place = self._place("write", path)
            self._ask("fs.write", place, path)
            self._replace(place, data, None, "write", path, spend)

    def append(self, path: str, data: bytes, spend: Spend = _free) -> None:
        """Add `data` at the end of a file, which is made when it does not exist."""
        verb = "append to"
        with _reported(verb, path):
            place = self._place(verb, path)
            self._ask("fs.write", place, path)
            with beneath.directory(place.directory) as directory:
                there = _check_target(directory, place.name)
                if len(data) + (there.st_size if there else 0) > self.max_bytes:
                    raise self._too_large(verb, path)
                spend(len(data) if there else max(len(data), BLOCK))
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _LEAF
                with _open_file(place.name, flags, directory) as (file, state):
                    if state.st_size + len(data) > self.max_bytes:
                        raise self._too_large(verb, path)
                    _write_all(file, data)

    def exists(self, path: str) -> bool:
        """Whether there is anything at `path`."""
        with _reported("inspect", path):
            place = self._place("inspect", path)
            self._ask("fs.read", place, path)
            try:
                _state(place)
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def listing(self, path: str) -> list[Entry]:
        """The entries of a directory, sorted by name."""
        with _reported("list", path):
            place = self._place("list", path)
            self._ask("fs.read", place, path)
            entries: list[Entry] = []
            with beneath.directory(place.directory) as parent:
                state = _lstat(place.name or ".", parent)
                _refuse_link(state)
                if not stat.S_ISDIR(state.st_mode):
                    raise FileFailure(f"cannot list {_shown(path)}: it is not a directory")
                # A descriptor got with O_PATH cannot be listed, hence a second one.
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                directory = beneath.step(place.name or ".", flags, parent)
                try:
                    with os.scandir(directory) as scan:
                        for item in scan:
                            if len(entries) == MAX_ENTRIES:
                                reason = f"it has more than {MAX_ENTRIES} entries"
                                raise FileFailure(
                                    f"cannot list {_shown(path)}: {reason}", code="too_large"
                                )
                            # An entry may vanish while we look: then it is not listed.
                            with contextlib.suppress(FileNotFoundError):
                                kind, size = _kind(item.stat(follow_symlinks=False))
                                entries.append(Entry(_text(item.name), kind, size))
                finally:
                    os.close(directory)
            return sorted(entries)

    def info(self, path: str) -> Info:
        """Name, kind, size and time of the last change of what is at `path`."""
        with _reported("inspect", path):
            place = self._place("inspect", path)
            self._ask("fs.read", place, path)
            state = _state(place)
            return Info(_text(place.name) or "/", *_kind(state), state.st_mtime)

    def stamp(self, path: str) -> Stamp | None:
        """What changes whenever the file does; None where there is nothing."""
        with _reported("inspect", path):
            place = self._place("inspect", path)
            self._ask("fs.read", place, path)
            try:
                return stamp_of(_state(place))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def remove(self, path: str) -> None:
        """Remove a file, a symbolic link (not what it points to) or an empty directory."""
        with _reported("remove", path):
            place = self._place("remove", path, follow=False)
            self._ask("fs.write", place, path)
            with beneath.directory(place.directory) as directory:
                mode = _lstat(place.name or ".", directory).st_mode
                if stat.S_ISDIR(mode):
                    os.rmdir(place.name or ".", dir_fd=directory)
                elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                    os.unlink(place.name, dir_fd=directory)
                else:
                    raise OSError(errno.ENXIO, "")

    def make_directory(self, path: str, spend: Spend = _free) -> None:
        """Make a directory and those above it; nothing happens when it exists."""
        verb = "make directory"
        with _reported(verb, path):
            place = self._place(verb, path)
            self._ask("fs.write", place, path)
            names = (*place.directory, place.name) if place.name else place.directory
            with beneath.directory(names, make=partial(spend, BLOCK)):
                pass

    def move(self, source: str, target: str, spend: Spend = _free) -> None:
        """Give a file another name; a file that has this name is replaced at once.

        Only files move. A directory would take along what lies beneath it, past any rule
        that speaks of those paths.
        """
        with _reported("move", source):
            old = self._place("move", source, follow=False)
            new = self._place("move to", target, follow=False)
            # Reading is demanded too: the content becomes readable wherever it is put.
            self._ask("fs.read", old, source)
            self._ask("fs.write", old, source)
            self._ask("fs.write", new, target)
            with (
                beneath.directory(old.directory) as old_directory,
                _reported("move to", target),
                beneath.directory(new.directory) as new_directory,
            ):
                with _reported("move", source):
                    _check_regular(_lstat(old.name or ".", old_directory))
                _check_target(new_directory, new.name)
                try:
                    os.rename(
                        old.name, new.name, src_dir_fd=old_directory, dst_dir_fd=new_directory
                    )
                    return
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
            # Another file system: copy, and give up the old name only after that.
            data, mode = self._content(old, "move", source)
            with _reported("move to", target):
                self._replace(new, data, mode, "move to", target, spend)
            with beneath.directory(old.directory) as old_directory:
                os.unlink(old.name, dir_fd=old_directory)

    def copy(self, source: str, target: str, spend: Spend = _free) -> None:
        """Write the content of a file to another, as `write` does."""
        with _reported("copy", source):
            old = self._place("copy", source)
            new = self._place("copy to", target)
            self._ask("fs.read", old, source)
            self._ask("fs.write", new, target)
            data, mode = self._content(old, "copy", source)
        with _reported("copy to", target):
            self._replace(new, data, mode, "copy to", target, spend)

    def _place(self, verb: str, path: str, *, follow: bool = True) -> _Place:
        """Resolve a path as the script wrote it and refuse what no grant can open.

        With `follow` false the last name is kept as it is, so that it may be a link.
        """
        if not path or "\0" in path:
            reason = "it contains a NUL character" if path else "the path is empty"
            raise BadArgument(f"cannot {verb} {_shown(path)}: {reason}")
        try:
            length = len(os.fsencode(path))
        except UnicodeEncodeError:
            raise BadArgument(f"cannot {verb} {_shown(path)}: it is not text") from None
        if length > MAX_PATH:
            reason = f"it is longer than {MAX_PATH} bytes"
            raise BadArgument(f"cannot {verb} {_shown(path)}: {reason}")
        written = os.path.join(self.base, path)
        head, tail = os.path.split(written)
        if follow or tail in ("", ".", ".."):
            real = os.path.realpath(written)
        else:
            real = os.path.join(os.path.realpath(head), tail)
        names = tuple(name for name in real.split("/") if name)
        place = _Place(names[:-1], names[-1] if names else "")
        # The written name counts too: a link into /proc or from `.env` is as closed as its target.
        for seen in (_plain(written), place.path):
            if any(seen == tree or seen.startswith(tree + "/") for tree in CLOSED_TREES):
                raise Denied(f"cannot {verb} {_shown(path)}: system trees are not open to scripts")
            name = _folded(os.path.basename(seen))
            if name in SECRET_FILES or name.startswith(".env."):
                raise Denied(f"cannot {verb} {_shown(path)}: secrets are not readable by scripts")
            if name == "llmspell.toml" and verb in _CHANGING:
                raise Denied(f"cannot {verb} {_shown(path)}: scripts change no settings")
        return place

    def _ask(self, kind: str, place: _Place, path: str) -> None:
        """Asks for the grant. A refusal tells no more of the host than the script wrote itself."""
        try:
            self._demand(kind, place.path)
        except Denied as refusal:
            written = _plain(os.path.join(self.base, path))
            if written != place.path and self._allows(kind, written):
                raise Denied(f"no grant for {kind} where {_shown(path)} leads") from refusal
            inside = written.startswith(self.base + "/")
            shown = "./" + os.path.relpath(written, self.base) if inside else path
            raise denial(kind, _shown(shown)) from refusal

    def _allows(self, kind: str, path: str) -> bool:
        try:
            self._demand(kind, path)
        except Denied:
            return False
        return True

    def _content(self, place: _Place, verb: str, path: str) -> tuple[bytes, int]:
        """Content and permission bits of a regular file."""
        with beneath.directory(place.directory) as directory:
            # Looked at before it is opened, because opening a fifo or a device has effects.
            _check_regular(_lstat(place.name or ".", directory))
            with _open_file(place.name, os.O_RDONLY | _LEAF, directory) as (file, state):
                pieces: list[bytes] = []
                left = self.max_bytes + 1
                # One byte more than allowed is asked for: a file can grow while it is read.
                while left and (piece := os.read(file, min(left, 1 << 20))):
                    pieces.append(piece)
                    left -= len(piece)
                if not left:
                    raise self._too_large(verb, path)
                return b"".join(pieces), stat.S_IMODE(state.st_mode) & 0o777

    def _replace(
        self,
        place: _Place,
        data: bytes,
        mode: int | None,
        verb: str,
        path: str,
        spend: Spend,
    ) -> None:
        """Write a temporary file beside the target and rename it over the target.

        An existing target keeps its permissions; a new one gets `mode`, or the usual ones.
        """
        if len(data) > self.max_bytes:
            raise self._too_large(verb, path)
        spend(max(len(data), BLOCK))
        with beneath.directory(place.directory) as directory:
            owner: os.stat_result | None = None
            if _check_target(directory, place.name):
                # Opened without truncating: a rename alone would also replace a read-only file.
                flags = os.O_WRONLY | _LEAF
                with _open_file(place.name, flags, directory) as (_, owner):
                    mode = stat.S_IMODE(owner.st_mode) & 0o777
            spare = f".{secrets.token_hex(8)}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _LEAF
            file = os.open(spare, flags, 0o666 if mode is None else 0o600, dir_fd=directory)
            try:
                try:
                    _write_all(file, data)
                    if owner is not None:
                        # Only root may give a file away; for anyone else it stays theirs.
                        with contextlib.suppress(OSError):
                            os.fchown(file, owner.st_uid, owner.st_gid)
                    if mode is not None:
                        os.fchmod(file, mode)
                    os.fsync(file)
                finally:
                    os.close(file)
                os.rename(spare, place.name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(spare, dir_fd=directory)
                raise

    def _too_large(self, verb: str, path: str) -> FileFailure:
        reason = f"it would be larger than {self.max_bytes} bytes"
        if verb in ("read", "copy", "move"):
            reason = f"it is larger than {self.max_bytes} bytes"
        return FileFailure(f"cannot {verb} {_shown(path)}: {reason}", code="too_large")


@contextlib.contextmanager
def _reported(verb: str, path: str) -> Iterator[None]:
    """Turn errors of the operating system into ours: one line, the path as the script gave it."""
    try:
        yield
    except OSError as error:
        kind, reason = _REASONS.get(error.errno or 0, (FileFailure, "the operating system failed"))
        if kind is FileNotFound and verb in _MAKING:
            reason = "its directory does not exist"
        raise kind(f"cannot {verb} {_shown(path)}: {reason}") from None


@contextlib.contextmanager
def _open_file(name: str, flags: int, directory: int) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file and hand out its descriptor and state."""
    file = os.open(name, flags, 0o666, dir_fd=directory)
    try:
        state = os.fstat(file)
        _check_regular(state)
        yield file, state
    finally:
        os.close(file)


def _lstat(name: str, directory: int) -> os.stat_result:
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


def _state(place: _Place) -> os.stat_result:
    with beneath.directory(place.directory) as directory:
        state = _lstat(place.name or ".", directory)
    _refuse_link(state)
    return state


def _refuse_link(state: os.stat_result) -> None:
    """A resolved path has no links: one that is there was put there since, or leads in a circle."""
    if stat.S_ISLNK(state.st_mode):
        raise OSError(errno.ELOOP, "")


def _check_target(directory: int, name: str) -> os.stat_result | None:
    """The state of a file that is to be written, if there is one; it must be a regular file."""
    try:
        _check_regular(state := _lstat(name or ".", directory))
    except FileNotFoundError:
        return None
    return state


def _check_regular(state: os.stat_result) -> None:
    if stat.S_ISREG(state.st_mode):
        return
    _refuse_link(state)
    raise OSError(errno.EISDIR if stat.S_ISDIR(state.st_mode) else errno.ENXIO, "")


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _kind(state: os.stat_result) -> tuple[str, int]:
    if stat.S_ISREG(state.st_mode):
        return "file", state.st_size
    return ("directory" if stat.S_ISDIR(state.st_mode) else "other"), 0


def _plain(path: str) -> str:
    """The path without dots, as text alone says. A double slash at the start means nothing."""
    return "/" + os.path.normpath(path).lstrip("/")


def _folded(name: str) -> str:
    """The name as file systems that fold names may see it."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if unicodedata.category(char) != "Cf")


def _text(name: str) -> str:
    """A file name as text that can cross into a script, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "replace")


def _shown(path: str) -> str:
    """The path as the script gave it, kept to one short line."""
    line = "".join(char if char.isprintable() else "?" for char in path[:201])
    return line if len(line) <= 200 else line[:197] + "..."
