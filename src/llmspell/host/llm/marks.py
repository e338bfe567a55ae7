"""This unit finds rows of marks, such as accents, on one letter in what models are to read.

stacked(text)    how many marks stand in long rows

To compare texts, marks are put in order first, which takes the square of how many stand in a row:
minutes for a few hundred thousand, in one step of Python that nothing interrupts.
"""

from __future__ import annotations

import re
from functools import cache
from unicodedata import combining

MAX_STACKED = 2000
"""Marks in long rows of one conversation."""

LONG_ROW = 32
"""Marks in a row that no text of any language has. Unicode knows 30 as enough."""

BLOCKS = (*range(0x300, 0x3400), *range(0xA000, 0xAC00), *range(0xFB00, 0x10000))
"""Where marks are; the rest is letters of Chinese and Korean."""

RARE = range(0x10000, 0x1F000)
"""Where marks of scripts are that few texts have. To look for these too takes ten times as long."""

TURNED = "\u0f73\u0f75\u0f81\uff9e\uff9f"
"""Letters that become marks."""


def stacked(text: str) -> int:
    """How many marks of a text stand in long rows."""
    if text.isascii():
        return 0
    rare = re.search(f"[{chr(RARE.start)}-{chr(RARE.stop)}]", text) is not None
    return sum(map(len, _rows(rare).findall(text)))


@cache
def _rows(rare: bool) -> re.Pattern[str]:
    blocks = (*BLOCKS, *RARE) if rare else BLOCKS
    marks = "".join(letter for letter in map(chr, blocks) if combining(letter))
    one = f"[{marks}{TURNED}]"
    return re.compile(f"{one}{one}{{{LONG_ROW - 1},}}")  # one alone is found faster than a row
