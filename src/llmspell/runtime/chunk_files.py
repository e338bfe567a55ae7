"""Compiled chunks on disk, which processes of one user share.

    FOLDER/llmspell.key          32 random bytes of this user; mode 0600, made once
    FOLDER/<digest>.chunk        one chunk
    FOLDER/<digest>.image        what an engine has prepared for all scripts, machine code among it

What is kept of a program is text with safepoints, no bytecode; but a text without safepoints has no
limits, so each file carries an HMAC-SHA256 made with the key over its name and all it holds. The
name is a SHA-256 of all that it was made of: of a chunk form, name and source. A file that was cut,
changed, renamed or written by another version is not found, and so is everything in a folder that
somebody else could have written to.
Nothing here ever raises: whatever goes wrong, the program is compiled.

A file is written under another name and renamed, so a reader sees all of it or none. The folder is
bounded; those used longest ago go first.
"""

from __future__ import annotations

import hmac
import os
import re
import struct
from contextlib import suppress
from hashlib import sha256
from stat import S_ISDIR, S_ISREG
from time import time
from typing import NamedTuple

from ..engines.base import Chunk, Engine

MAGIC = b"llmspell chunk 1\n"
KEY = "llmspell.key"
"""Scripts can neither read nor write a file of this name: see `host/files/files.py`."""

KEY_BYTES = 32
MAC_BYTES = 32
SECONDS = struct.Struct("<d")

MAX_FILE = 16 * 1024 * 1024
MAX_FOLDER = 64 * 1024 * 1024
MAX_FILES = 1000
UNUSED = 30 * 24 * 3600.0
"""Seconds after which a file nobody used goes."""

FRESH = 3600.0
"""Seconds in which a use need not be noted again, and after which what a writer left goes."""

_OURS = re.compile(r"[0-9a-f]{64}\.(chunk|image)")
_SPARE = re.compile(r"\.[0-9]+-[0-9a-f]{16}\.tmp")

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class Held(NamedTuple):
    """What a folder holds. `why` tells why it is not used, or is ""."""

    files: int
    bytes: int
    why: str


class ChunkFiles:
    """The chunks in one folder, which is made when the first is stored."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._key = b""

    def load(self, engine: Engine, source: str, name: str) -> tuple[Chunk, float] | None:
        """A chunk that this user compiled before, and the seconds it took; None when there is none.

        One that somebody else could have made is none.
        """
        try:
            digest = self._digest(engine, source, name)
            if digest is None or not self._ready(make=False):
                return None
            data = self._read(self._path(digest), digest)
            if data is None:
                return None
            (seconds,) = SECONDS.unpack_from(data)
            code = data[SECONDS.size :].decode()
            return Chunk(engine.name, name, source, code), seconds
        except (OSError, ValueError, struct.error):
            return None

    def store(self, engine: Engine, chunk: Chunk, seconds: float) -> None:
        """Keeps a chunk, if the folder can be trusted with it."""
        with suppress(OSError, ValueError):
            digest = self._digest(engine, chunk.source, chunk.name)
            if digest is None or not self._ready(make=True):
                return
            self._write(self._path(digest), digest, SECONDS.pack(seconds) + chunk.code.encode())

    def load_image(self, name: bytes) -> bytes | None:
        """What an engine has prepared, by its digest; None as for a chunk."""
        try:
            return self._read(self._image(name), name) if self._ready(make=False) else None
        except (OSError, ValueError):
            return None

    def store_image(self, name: bytes, data: bytes) -> None:
        """Keeps what an engine has prepared, if the folder can be trusted with it."""
        with suppress(OSError, ValueError):
            if self._ready(make=True):
                self._write(self._image(name), name, data)

    def _read(self, path: str, digest: bytes) -> bytes | None:
        """What we have written to a file, or None for what we have not."""
        data = _content(path, MAX_FILE)
        start = len(MAGIC) + MAC_BYTES
        if data[: len(MAGIC)] != MAGIC:
            return None
        content = memoryview(data)[start:]  # of megabytes, which are not copied to be checked
        if not hmac.compare_digest(data[len(MAGIC) : start], self._mac(digest, content)):
            return None
        if time() - os.stat(path).st_mtime > FRESH:
            os.utime(path)
        return data[start:]

    def _write(self, path: str, digest: bytes, data: bytes) -> None:
        data = MAGIC + self._mac(digest, data) + data
        if len(data) <= MAX_FILE:
            os.replace(self._written(data), path)
            self._make_room()

    def held(self) -> Held:
        """What there is. Looks only."""
        try:
            why = self._doubt()
            sizes = [] if why else [state.st_size for _, state in self._chunks()]
        except FileNotFoundError:
            return Held(0, 0, "")
        except OSError as error:
            return Held(0, 0, error.strerror or str(error))
        return Held(len(sizes), sum(sizes), why)

    def clear(self) -> int:
        """Removes every chunk. Gives how many. Raises OSError."""
        chunks = self._chunks() if not self._doubt() else []
        for path, _ in chunks:
            with suppress(FileNotFoundError):
                os.unlink(path)
        return len(chunks)

    def _digest(self, engine: Engine, source: str, name: str) -> bytes | None:
        form = engine.form
        if not form:
            return None
        digest = sha256(MAGIC)
        for part in (engine.name, form, name, source):
            text = part.encode()
            digest.update(b"%d:" % len(text))
            digest.update(text)
        return digest.digest()

    def _mac(self, digest: bytes, data: bytes | memoryview) -> bytes:
        signed = hmac.new(self._key, MAGIC + digest, "sha256")
        signed.update(data)
        return signed.digest()

    def _path(self, digest: bytes) -> str:
        return os.path.join(self.folder, f"{digest.hex()}.chunk")

    def _image(self, digest: bytes) -> str:
        return os.path.join(self.folder, f"{digest.hex()}.image")

    def _ready(self, make: bool) -> bool:
        """Whether the folder is ours alone, and its key is known."""
        if make:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if self._doubt():
            return False
        path = os.path.join(self.folder, KEY)
        if make and not os.path.lexists(path):
            spare = self._written(os.urandom(KEY_BYTES))
            try:
                # Unlike a rename this replaces no key that another process has made meanwhile.
                with suppress(FileExistsError):
                    os.link(spare, path)
            finally:
                os.unlink(spare)
        self._key = _content(path, KEY_BYTES, private=True)
        return len(self._key) == KEY_BYTES

    def _doubt(self) -> str:
        """Why the folder is not to be trusted, or "". Raises OSError where there is none."""
        if not hasattr(os, "geteuid"):
            return "this system does not say whose files are"
        state = os.lstat(self.folder)
        if not S_ISDIR(state.st_mode):
            return "it is not a folder"
        if state.st_uid != os.geteuid():
            return "it belongs to somebody else"
        if state.st_mode & 0o022:
            return "others may write to it"
        return ""

    def _written(self, data: bytes) -> str:
        """Writes a new file of our own; gives its path."""
        path = os.path.join(self.folder, f".{os.getpid()}-{os.urandom(8).hex()}.tmp")
        file = os.open(path, _MAKE, 0o600)
        try:
            with open(file, "wb") as out:
                out.write(data)
        except BaseException:
            os.unlink(path)
            raise
        return path

    def _chunks(self) -> list[tuple[str, os.stat_result]]:
        """Our files, those used longest ago first. What a writer left behind is removed."""
        found = []
        with os.scandir(self.folder) as scan:
            for item in scan:
                with suppress(FileNotFoundError):
                    if _OURS.fullmatch(item.name):
                        found.append((item.path, item.stat(follow_symlinks=False)))
                    elif _SPARE.fullmatch(item.name) and _age(item) > FRESH:
                        os.unlink(item.path)
        return sorted(found, key=lambda chunk: chunk[1].st_mtime)

    def _make_room(self) -> None:
        chunks = self._chunks()
        files, size = len(chunks), sum(state.st_size for _, state in chunks)
        for path, state in chunks:
            old = time() - state.st_mtime > UNUSED
            if not old and files <= MAX_FILES and size <= MAX_FOLDER:
                return
            with suppress(FileNotFoundError):
                os.unlink(path)
            files, size = files - 1, size - state.st_size


def _age(item: os.DirEntry[str]) -> float:
    return time() - item.stat(follow_symlinks=False).st_mtime


def _content(path: str, largest: int, private: bool = False) -> bytes:
    """A regular file of this user, which, if `private`, nobody else can read. Raises OSError."""
    file = os.open(path, _READ)
    with open(file, "rb") as opened:
        state = os.fstat(file)
        others = 0o077 if private else 0o022
        if not S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & others:
            raise OSError(f"{path} is not a file of this user alone")
        data = opened.read(largest + 1)
    if len(data) > largest:
        raise OSError(f"{path} is too large")
    return data
