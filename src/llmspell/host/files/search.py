"""Finds files by name and by text, among those that the grants allow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ...errors import BadArgument, CapabilityError, Denied, FileFailure

if TYPE_CHECKING:
    from .files import Files

MAX_ENTRIES = 50_000
"""Names that are looked at in one search."""

MAX_READ = 64 * 1024 * 1024
"""Bytes of all files that are read in one search."""

MAX_FOUND = 1000
MAX_DEPTH = 32
MAX_PATTERN = 200
MAX_SHOWN = 200
"""Characters of a line that are given."""

MAX_SIZE = 4 * 1024 * 1024
"""Bytes of a file that is read: larger ones are seldom text."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What to find. A file is found when all fits.

    name: pattern of its name, such as "*.md"; * and ? stand for any letters.
    text: text that a line of it has.
    ignore_case: whether letters of the text match in either case.
    limit: how many results at most, up to 1000.
    """

    name: str = "*"
    text: str | None = None
    ignore_case: bool = False
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a search.

    path: the file, as it can be read.
    line: number of the line that has the text; nothing when none was looked for.
    text: that line.
    """

    path: str
    line: int | None = None
    text: str | None = None


async def search(files: Files, root: str, options: SearchOptions) -> list[Finding]:
    """What is found beneath a folder, by path. What may not be read is passed over."""
    import asyncio

    if not 1 <= options.limit <= MAX_FOUND:
        raise BadArgument(f"limit must be 1 to {MAX_FOUND}, got {options.limit}")
    if not 0 < len(options.name) <= MAX_PATTERN:
        raise BadArgument(f"name must have 1 to {MAX_PATTERN} characters")
    if options.text is not None and not options.text:
        raise BadArgument("text must not be empty")
    found: list[Finding] = []
    folders = deque([(root, 0)])
    looked = read = 0
    while folders:
        folder, depth = folders.popleft()
        try:
            entries = files.listing(folder)
        except (FileFailure, Denied):
            if not depth:
                raise
            continue
        for entry in entries:
            looked += 1
            if looked % 100 == 0:
                await asyncio.sleep(0)
            if looked > MAX_ENTRIES:
                raise FileFailure(f"there are more than {MAX_ENTRIES} files", code="too_large")
            path = entry.name if folder == "." else f"{folder.rstrip('/')}/{entry.name}"
            if entry.kind == "directory" and depth < MAX_DEPTH:
                folders.append((path, depth + 1))
            if entry.kind != "file" or not fnmatchcase(entry.name, options.name):
                continue
            if options.text is None:
                if _may_read(files, path):
                    found.append(Finding(path))
            elif entry.size <= MAX_SIZE:
                read += entry.size
                if read > MAX_READ:
                    told = f"the files have more than {MAX_READ} bytes"
                    raise FileFailure(told, code="too_large")
                found += _lines(files, path, options)
                await asyncio.sleep(0)
            if len(found) >= options.limit:
                return found[: options.limit]
        await asyncio.sleep(0)
    return found


def _may_read(files: Files, path: str) -> bool:
    try:
        files.info(path)
    except CapabilityError:
        return False
    return True


def _lines(files: Files, path: str, options: SearchOptions) -> list[Finding]:
    """The lines of a file that have the text."""
    try:
        text = files.read(path).decode()
    except (CapabilityError, UnicodeDecodeError):
        return []
    wanted, where = options.text or "", text
    if options.ignore_case:
        wanted, where = _lower(wanted), _lower(text)
    told: list[Finding] = []
    # From match to match: a file may have millions of lines.
    number, counted = 1, 0
    at = -1 if "\n" in wanted else where.find(wanted)
    while at >= 0 and len(told) < options.limit:
        number += text.count("\n", counted, at)
        start, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        end = len(text) if end < 0 else end
        told.append(Finding(path, number, text[start : min(end, start + MAX_SHOWN)]))
        counted, at = end, where.find(wanted, end)
    return told


def _lower(text: str) -> str:
    """The text in small letters, each where it was: this one alone becomes two."""
    return text.replace("\u0130", "i").lower()
