"""Regular expressions for scripts and models, by RE2: no pattern takes time that explodes.

Time grows with the length of the text times the size of the pattern, which is bounded, and finding
all matches gives way to others and is given up after a second.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any

from ...errors import BadArgument

MAX_PATTERN = 1000
MAX_TEXT = 1024 * 1024
"""Characters of a pattern, and of a text."""

MAX_COST = 20_000_000
"""Characters of the text times instructions of the pattern: about a third of a second."""

MAX_MATCHES = 1000
MAX_SECONDS = 1.0
"""What finding all may give, and take."""

SLICE = 0.004
"""Seconds until others have their turn."""

MEMORY = 2 << 20
KEPT = 16
"""Bytes a compiled pattern may take, and how many are kept for the next call."""


@dataclass(frozen=True, slots=True)
class PatternOptions:
    """How a pattern is read.

    ignore_case: whether letters match in either case.
    multiline: whether ^ and $ match at every line.
    dot_all: whether . matches the end of a line too.
    limit: how many matches at most, up to 1000.
    """

    ignore_case: bool = False
    multiline: bool = False
    dot_all: bool = False
    limit: int = 100

    @property
    def flags(self) -> str:
        """The flags as RE2 writes them in front of a pattern."""
        chosen = (("i", self.ignore_case), ("m", self.multiline), ("s", self.dot_all))
        letters = "".join(letter for letter, wanted in chosen if wanted)
        return f"(?{letters})" if letters else ""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern matched.

    text: what matched.
    groups: what its groups matched, in order; "" for one that took no part.
    named: the same for groups with a name.
    """

    text: str
    groups: list[str]
    named: dict[str, str]


async def find(text: str, pattern: str, options: PatternOptions) -> list[Match]:
    """The matches of a pattern in a text, from its beginning on."""
    if not 1 <= options.limit <= MAX_MATCHES:
        raise BadArgument(f"limit must be 1 to {MAX_MATCHES}, got {options.limit}")
    compiled, data = _prepared(text, pattern, options)
    names = {index: name.decode() for name, index in compiled.groupindex.items()}
    told = []
    async with aclosing(_each(compiled, data)) as matches:
        async for found in matches:
            groups = [_text(group) for group in found.groups(b"")]
            named = {name: groups[index - 1] for index, name in names.items()}
            told.append(Match(_text(found.group()), groups, named))
            if len(told) == options.limit:
                break
    return told


async def replace(text: str, pattern: str, replacement: str, options: PatternOptions) -> str:
    """The text with every match replaced; $1 and $name stand for groups, $$ for a dollar."""
    compiled, data = _prepared(text, pattern, options)
    parts = _template(replacement, compiled)
    pieces, at, size = list[bytes](), 0, 0
    async with aclosing(_each(compiled, data)) as matches:
        async for found in matches:
            start, end = found.span()
            pieces.append(data[at:start])
            pieces += [p if isinstance(p, bytes) else found.group(p) or b"" for p in parts]
            size += sum(map(len, pieces[-len(parts) :])) if parts else 0
            if size > MAX_TEXT:
                raise BadArgument(f"the result is longer than {MAX_TEXT} characters")
            at = end
    return _text(b"".join([*pieces, data[at:]]))


def _prepared(text: str, pattern: str, options: PatternOptions) -> tuple[Any, bytes]:
    if len(text) > MAX_TEXT:
        raise BadArgument(f"the text is longer than {MAX_TEXT} characters")
    compiled = _compiled(options.flags + pattern)
    data = text.encode()
    if len(data) * compiled.programsize > MAX_COST:
        raise BadArgument("the text is too long for this pattern, or the pattern too large")
    return compiled, data


@lru_cache(maxsize=KEPT)
def _compiled(pattern: str) -> Any:
    import re2

    if len(pattern) > MAX_PATTERN:
        raise BadArgument(f"the pattern is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it cannot be read"
        told = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadArgument(
            f"not a pattern (of RE2, which has no look-around and no back-references): {told}"
        ) from None


async def _each(compiled: Any, data: bytes) -> AsyncGenerator[Any]:
    """Every match, giving way to others in between."""
    import asyncio

    found: Iterator[Any] = compiled.finditer(data)
    worked = 0.0
    began = perf_counter()
    for match in found:
        yield match
        spent = perf_counter() - began
        if spent > SLICE:
            worked += spent
            if worked > MAX_SECONDS:
                raise BadArgument(f"finding all matches takes longer than {MAX_SECONDS:g} s")
            await asyncio.sleep(0)
            began = perf_counter()


def _template(replacement: str, compiled: Any) -> list[bytes | int]:
    """A replacement as its parts: text, and numbers of groups."""
    parts: list[bytes | int] = []
    names = {name.decode(): index for name, index in compiled.groupindex.items()}
    head, *rest = replacement.split("$")
    parts.append(head.encode())
    pending = iter(rest)
    for piece in pending:
        if not piece:  # "$$"
            parts.append(b"$" + next(pending, "").encode())
            continue
        word, tail = _word(piece)
        index = int(word) if word.isdecimal() and len(word) < 4 else names.get(word, -1)
        if not 0 <= index <= compiled.groups:
            raise BadArgument(f"the replacement names the group ${word[:100]}, which is not there")
        parts += [index, tail.encode()]
    return parts


def _word(piece: str) -> tuple[str, str]:
    """A name or number at the start, in braces or not, and what is behind it."""
    if piece.startswith("{"):
        word, brace, tail = piece[1:].partition("}")
        return (word, tail) if brace else ("{", "")
    end = 0
    while end < len(piece) and (piece[end].isalnum() or piece[end] == "_"):
        end += 1
    return piece[:end], piece[end:]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
