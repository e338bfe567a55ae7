"""text: patterns, differences and templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..capability import capability
from ..host.context import Context
from ..host.formats import differences, patterns, templates
from ..host.formats.patterns import Match, PatternOptions


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """How to show a difference.

    old: what the old text is called.
    new: what the new one is called.
    context: lines shown around each change, up to 100.
    """

    old: str = "old"
    new: str = "new"
    context: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.context <= 100:
            raise ValueError(f"context must be 0 to 100, got {self.context}")


@capability("text.find", since="0.1", tool="text_regex")
async def find(
    ctx: Context, text: str, pattern: str, options: PatternOptions = PatternOptions()
) -> list[Match]:
    """Finds what a regular expression matches, in the language of RE2: no look-around and no
    back-references, and no pattern takes time that explodes.

    text: where to look.
    pattern: the regular expression.
    options: how it is read, and how many matches to give.
    returns: the matches, from the beginning of the text on.
    """
    return await patterns.find(text, pattern, options)


@capability("text.replace", since="0.1", tool="text_replace")
async def replace(
    ctx: Context,
    text: str,
    pattern: str,
    replacement: str,
    options: PatternOptions = PatternOptions(),
) -> str:
    """Replaces everything a regular expression matches.

    text: where to look.
    pattern: the regular expression, in the language of RE2.
    replacement: what to put there; $1, $name and ${name} are groups, $0 is the match, $$ a dollar.
    options: how the pattern is read.
    returns: the new text.
    """
    return await patterns.replace(text, pattern, replacement, options)


@capability("text.diff", since="0.1", tool="text_diff", beside=2000)
def diff(ctx: Context, old: str, new: str, options: DiffOptions = DiffOptions()) -> str:
    """Shows what leads from one text to another, line by line, as `diff -u` does.

    old: the old text.
    new: the new text.
    options: how to show it.
    returns: the difference; "" when the texts are equal.
    """
    return differences.unified(old, new, (options.old, options.new), options.context)


@capability("text.template", since="0.1", tool="text_template", beside=2000)
def template(ctx: Context, template: str, values: dict[str, Any]) -> str:
    """Fills the places of a template: `Dear {{customer.name}}`. Nothing in it is executed.

    template: the text; a place is a path of names, and of numbers for items of lists from 1 on.
    values: what the paths lead to; text is put in as it is, anything else as JSON.
    returns: the text.
    """
    return templates.render(template, values)
