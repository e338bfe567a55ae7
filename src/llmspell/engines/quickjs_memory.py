"""What a VM that waits has written to its memory, kept apart from the pages it wrote to.

A script touches few words of many pages: counts of references lie everywhere. While it waits these
words are all that is kept; the system takes the pages back, and shows those of the image again.
"""

from __future__ import annotations

import ctypes
from array import array
from typing import NamedTuple, Protocol

PAGE, SMALL, CHUNK = 65536, 4096, 64
"""Bytes that are compared at once: where they differ, those of the next size within them."""

MOST_GROWN = 4 * 1024 * 1024
"""Bytes that a memory may have grown by; what is larger is left as it is."""


class Memory(Protocol):
    """That of a VM."""

    base: int

    def size(self) -> int:
        """Its bytes."""

    def address(self) -> int:
        """Where it begins."""


class Folded(NamedTuple):
    """The parts of a memory that differ from its image: where, how long, and one after another."""

    places: array[int]
    data: bytes


class Image:
    """The memory that every VM of an image begins with."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._works = given_back(memory)

    def fold(self, memory: Memory) -> Folded | None:
        """Has the system take the pages of a memory; gives what is needed to `unfold` it.

        None where the system shows no image again, or where it would not be worth it.
        """
        size = memory.size()
        if not self._works or size > memory.base + MOST_GROWN:
            return None
        folded = self._difference(memory.address(), size)
        _give_back(memory.address(), size)
        return folded

    def _difference(self, address: int, size: int) -> Folded:
        image, base = self._memory.address(), self._memory.base
        places, parts = array("I"), []
        for at in range(0, size, PAGE):
            now = ctypes.string_at(address + at, PAGE)
            then = ctypes.string_at(image + at, PAGE) if at < base else bytes(PAGE)
            if now == then:
                continue
            for start, end in _runs(now, then):
                places.extend((at + start, end - start))
                parts.append(now[start:end])
        return Folded(places, b"".join(parts))


def unfold(memory: Memory, folded: Folded) -> None:
    """Writes what differed."""
    address, data, at = memory.address(), folded.data, 0
    pairs = iter(folded.places)
    for place, size in zip(pairs, pairs, strict=True):
        ctypes.memmove(address + place, data[at : at + size], size)
        at += size


def _runs(now: bytes, then: bytes) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for small in range(0, PAGE, SMALL):
        if now[small : small + SMALL] == then[small : small + SMALL]:
            continue
        for at in range(small, small + SMALL, CHUNK):
            if now[at : at + CHUNK] != then[at : at + CHUNK]:
                if runs and runs[-1][1] == at:
                    runs[-1] = runs[-1][0], at + CHUNK
                else:
                    runs.append((at, at + CHUNK))
    return runs


def given_back(memory: Memory) -> bool:
    """Whether the system shows the image again where it has taken pages. Tries it."""
    at, size = memory.address(), memory.size()
    before = ctypes.string_at(at, size)
    place = len(before.rstrip(b"\0")) - 1
    ctypes.memset(at + place, before[place] ^ 1, 1)
    if not _give_back(at, size):
        ctypes.memset(at + place, before[place], 1)
        return False
    return ctypes.string_at(at, size) == before


def _give_back(address: int, size: int) -> bool:
    """Has the system take the pages; where it cannot, they stay as they are."""
    import mmap

    advice = getattr(mmap, "MADV_DONTNEED", None)
    if advice is None:
        return False
    advise = ctypes.CDLL(None).madvise
    return bool(advise(ctypes.c_void_p(address), ctypes.c_size_t(size), advice) == 0)
