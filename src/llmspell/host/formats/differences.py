"""The difference of two texts, as people read it: the unified form."""

from __future__ import annotations

import difflib
from itertools import accumulate

from ...errors import BadArgument

MAX_TEXT = 1024 * 1024
MAX_LINES = 20_000
MAX_WORK = 3_000_000
"""Comparisons of lines: about half a second. Texts of many equal lines take their square."""


class _Bounded(difflib.SequenceMatcher[str]):
    """A matcher that counts what it does before it does it."""

    def __init__(self, old: list[str], new: list[str]) -> None:
        super().__init__(None, old, new)
        same: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]
        self._before = [0, *accumulate(1 + len(same.get(line, ())) for line in old)]
        self._work = 0

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        end = len(self._before) - 1 if ahi is None else ahi
        self._work += self._before[end] - self._before[alo]
        if self._work > MAX_WORK:
            raise BadArgument("the texts are too long or too different to be compared line by line")
        return super().find_longest_match(alo, ahi, blo, bhi)


def unified(old: str, new: str, names: tuple[str, str], context: int) -> str:
    """What leads from one text to another, line by line; "" when they are equal."""
    for text in (old, new):
        if len(text) > MAX_TEXT or text.count("\n") > MAX_LINES:
            raise BadArgument(f"a text is longer than {MAX_TEXT} characters or {MAX_LINES} lines")
    if old == new:
        return ""
    if old.endswith("\n") and new.endswith("\n"):
        old, new = old[:-1], new[:-1]
    before, after = old.split("\n"), new.split("\n")
    told = [f"--- {names[0]}", f"+++ {names[1]}"]
    for group in _Bounded(before, after).get_grouped_opcodes(context):
        first, last = group[0], group[-1]
        told.append(f"@@ -{_span(first[1], last[2])} +{_span(first[3], last[4])} @@")
        for verb, start, end, from_, to in group:
            if verb == "equal":
                told += [" " + line for line in before[start:end]]
                continue
            told += ["-" + line for line in before[start:end]]
            told += ["+" + line for line in after[from_:to]]
    return "\n".join(told) + "\n"


def _span(start: int, end: int) -> str:
    length = end - start
    first = start + 1 if length else start
    return f"{first}" if length == 1 else f"{first},{length}"
