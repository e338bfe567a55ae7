"""Regular expressions in schemas: how much memory and time they may take.

    options(count)   bounds for compiling so many of them
    cost(pattern)    what checking a hundred characters takes, in parts of a schema

Compiled, a counted repetition is as long as its count, and one in another as their product; a text
is then held against each of those places. Those that look around go back and try again besides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import BadArgument

if TYPE_CHECKING:
    from jsonschema_rs import FancyRegexOptions

MAX_PATTERNS = 200
"""Patterns of one schema."""

MAX_COMPILED = 4 * 1024 * 1024
"""Bytes of all compiled patterns of a schema, about."""

BACKTRACKS = 2000
"""Steps back after which a text does not match."""

PLACE = 20
"""Cost of a place of a pattern; of one that looks around, so often as much."""

TOKEN = re.compile(
    r"""\\. | \[(?:\\.|[^\]\\])*(?:\]|\Z) | \{(?P<least>\d{1,9})(?:,(?P<most>\d{0,9}))?\} | .""",
    re.X | re.S,
)
AROUND = re.compile(r"\(\?(?:[=!>]|<[=!])|\\[1-9k]")


def options(count: int) -> FancyRegexOptions:
    """How so many patterns are compiled. Raises BadArgument for too many."""
    import jsonschema_rs

    if count > MAX_PATTERNS:
        raise BadArgument(f"the schema has more than {MAX_PATTERNS} patterns")
    share = MAX_COMPILED // max(count, 1)
    return jsonschema_rs.FancyRegexOptions(
        backtrack_limit=BACKTRACKS, size_limit=share, dfa_size_limit=share
    )


def cost(pattern: str) -> int:
    """What checking a hundred characters takes, in parts of a schema."""
    around = PLACE if AROUND.search(pattern) else 1
    return PLACE * around * places(pattern)


def places(pattern: str) -> int:
    """About how long a pattern is when its counted repetitions are written out."""
    groups, last = [0], 0
    for token in TOKEN.finditer(pattern):
        if token[0] == "(":
            groups.append(0)
        elif token[0] == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif token["least"] is not None:
            times = max(int(token["least"]), int(token["most"] or 0), 1)
            groups[-1] += last * (times - 1)
            last *= times
        else:
            last = 1
            groups[-1] += 1
    return sum(groups)
