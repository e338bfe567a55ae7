"""Compiled programs and modules, kept in memory and, the large ones, on disk.

    cache = ChunkCache(max_entries=1000, max_bytes=64 << 20, ttl=3600, folder=None)
    chunk = cache.compile(engine, source, name)

In memory a chunk is found by its engine (which stands for version and options), name and source:
Python's own hash of the text, made once a text, and then the text itself, so no other program can
be mistaken for it. On disk the key is a SHA-256 of the same.

Only the host's own compiling comes here. What an isolated spell is compiled to is known to its
worker alone: the host neither parses a stranger's program nor believes what a worker says it
compiles to. Text that a script makes itself and loads is not kept either.
"""

from __future__ import annotations

from _thread import allocate_lock  # threading would cost the start of a spell a millisecond
from collections import OrderedDict
from functools import cache
from sys import getsizeof
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

from ..engines.base import Chunk, Engine, Prepares
from ..forks import in_child
from ..host.sources import Sources

if TYPE_CHECKING:
    from .chunk_files import ChunkFiles
    from .statistics import Statistics

MAX_ENTRIES = 1000
MAX_BYTES = 64 * 1024 * 1024
TTL = 3600.0
"""Seconds a chunk is kept after its last use."""

ON_DISK = 20 * 1024
"""Characters of a source from which looking on disk pays: it costs a new process about 4 ms, most
of it imports, and compiling about 0.35 ms for each thousand characters."""

OVERHEAD = 500
"""Bytes an entry takes beyond its texts, about."""


class Entry:
    """A chunk, how long it took to compile, its size, and when it was used last."""

    __slots__ = ("chunk", "seconds", "size", "used")

    def __init__(self, chunk: Chunk, seconds: float, size: int, used: float) -> None:
        self.chunk = chunk
        self.seconds = seconds
        self.size = size
        self.used = used


class ChunkCache:
    """Compiled chunks by engine, name and source. Any thread may use it.

    max_entries, max_bytes: what it may hold in memory; the least recently used goes first.
    ttl: seconds after its last use at which a chunk is dropped.
    folder: where large ones are kept between processes; None keeps nothing on disk.

    `sources` holds texts of files, read again only when they have changed.
    """

    _lock = allocate_lock()  # of all: each holds it for a moment

    def __init__(
        self,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        ttl: float = TTL,
        folder: str | None = None,
    ) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.ttl = ttl
        self.folder = folder
        self.sources = Sources()
        self._files: ChunkFiles | None = None
        self._entries: OrderedDict[tuple[Engine, str, str], Entry] = OrderedDict()
        self._bytes = self._hits = self._misses = self._disk_hits = 0
        self._evictions = self._expired = 0
        self._compiling = self._saved = 0.0

    def compile(self, engine: Engine, source: str, name: str) -> Chunk:
        """`engine.compile`, unless it is known. Raises ScriptSyntaxError, and keeps no failure."""
        key = engine, name, source
        now = monotonic()
        with self._lock:
            found = self._entries.get(key)
            if found is not None and now - found.used <= self.ttl:
                found.used = now
                self._entries.move_to_end(key)
                self._hits += 1
                self._saved += found.seconds
                return found.chunk
            if found is not None:
                self._drop(now)
        began = perf_counter()
        large = self.folder is not None and len(source) >= ON_DISK
        if large and (kept := self._on_disk().load(engine, source, name)) is not None:
            chunk, seconds = kept
            with self._lock:
                self._hits += 1
                self._disk_hits += 1
                self._saved += max(0.0, seconds - (perf_counter() - began))
            self._keep(key, chunk, seconds)
            return chunk
        began = perf_counter()
        chunk = engine.compile(source, name)
        seconds = perf_counter() - began
        with self._lock:
            self._misses += 1
            self._compiling += seconds
        self._keep(key, chunk, seconds)
        if large:
            self._on_disk().store(engine, chunk, seconds)
        return chunk

    def lend(self, engine: Engine) -> None:
        """Gives an engine that prepares something once a place to keep it."""
        if isinstance(engine, Prepares):
            engine.keep(self._on_disk() if self.folder is not None else None)

    @property
    def statistics(self) -> Statistics:
        """What it holds now and has done so far."""
        from .statistics import Statistics

        with self._lock:
            self._drop(monotonic())
            return Statistics(
                entries=len(self._entries),
                bytes=self._bytes,
                hits=self._hits,
                misses=self._misses,
                disk_hits=self._disk_hits,
                evictions=self._evictions,
                expired=self._expired,
                compile_seconds=self._compiling,
                seconds_saved=self._saved,
                files_read=self.sources.reads,
                files_unchanged=self.sources.unchanged,
            )

    def clear(self) -> None:
        """Forgets what is in memory. Files stay: see `ChunkFiles.clear`."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    @classmethod
    def fork(cls) -> None:
        """Has a lock that is free: a thread of the process this was forked from had the other."""
        cls._lock = allocate_lock()

    def _keep(self, key: tuple[Engine, str, str], chunk: Chunk, seconds: float) -> None:
        now = monotonic()
        size = getsizeof(chunk.source) + getsizeof(chunk.code) + OVERHEAD
        with self._lock:
            old = self._entries.pop(key, None)
            self._bytes -= old.size if old is not None else 0
            if size <= self.max_bytes:
                self._entries[key] = Entry(chunk, seconds, size, now)
                self._bytes += size
            self._drop(now)

    def _drop(self, now: float) -> None:
        """Makes room. The first entry is always the one that was used longest ago."""
        while self._entries:
            key, first = next(iter(self._entries.items()))
            if now - first.used > self.ttl:
                self._expired += 1
            elif len(self._entries) > self.max_entries or self._bytes > self.max_bytes:
                self._evictions += 1
            else:
                return
            del self._entries[key]
            self._bytes -= first.size

    def _on_disk(self) -> ChunkFiles:
        if self._files is None:
            from .chunk_files import ChunkFiles

            assert self.folder is not None
            self._files = ChunkFiles(self.folder)
        return self._files


in_child(ChunkCache.fork)


@cache
def shared(folder: str | None) -> ChunkCache:
    """The cache of this process for one folder, which its sessions share unless told otherwise."""
    return ChunkCache(folder=folder)
