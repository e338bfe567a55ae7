"""Figures of the chunk cache, apart from it because most spells end without a look at them."""

from __future__ import annotations

from typing import NamedTuple


class Statistics(NamedTuple):
    """What a cache holds and what became of it.

    entries, bytes: what is in memory, the bytes as an estimate.
    hits, misses: found in memory or on disk, or compiled.
    disk_hits: those of the hits that came from disk.
    evictions, expired: dropped for want of room, or not used for long.
    compile_seconds: spent on compiling.
    seconds_saved: what compiling once took of everything that was found since.
    files_read, files_unchanged: source files that were read, or did not have to be.
    """

    entries: int
    bytes: int
    hits: int
    misses: int
    disk_hits: int
    evictions: int
    expired: int
    compile_seconds: float
    seconds_saved: float
    files_read: int
    files_unchanged: int
