"""Inserts safepoints into Lua source, token by token, without moving a line.

A safepoint counts one step and, when the count runs out, calls back into the prelude. It goes
after every `do`, `repeat` and function head, and before every `goto`: every way a Lua program
can run for ever passes one. Not after labels, where it would break `goto continue` at the end
of a block.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TEXT = r"""
    (?P<comment>--\[(?P<c>=*)\[.*?\](?P=c)\]|--[^\n\r]*)
  | \[(?P<s>=*)\[.*?\](?P=s)\]        # long string
  | "(?:[^"\\]++|\\.)*+"              # strings
  | '(?:[^'\\]++|\\.)*+'
"""
LETTER, MORE = r"[A-Za-z_\x80-\U0010ffff]", r"[\w\x80-\U0010ffff]"  # LuaJIT: beyond ASCII
NAME = rf"""
    \d[\w.]*                          # numbers, so that 0xdo is one token
  | (?P<word>{LETTER}{MORE}*)
"""
MODE = re.VERBOSE | re.DOTALL | re.ASCII
# A word is looked for from its first letter, so that the rest of the source is passed over fast.
POINT = re.compile(
    TEXT
    + rf"""
  | (?P<word>d(?<!{MORE}d)o | r(?<!{MORE}r)epeat
    | f(?<!{MORE}f)unction | g(?<!{MORE}g)oto)(?!{MORE})
    """,
    MODE,
)
SKIPPED, NAMES, TOKEN = (re.compile(p, MODE) for p in (TEXT, NAME, f"{TEXT}|{NAME}"))


class Rewritten(NamedTuple):
    """Source with safepoints, the names they use, which occur nowhere else in it, and the
    words that do occur."""

    code: str
    counter: str
    check: str
    words: frozenset[str]


def rewrite(source: str, reserved: bool = True) -> Rewritten:
    """Inserts safepoints. `source` must already have been checked to parse on its own.

    `reserved` tells whether `goto` is a keyword: in LuaJIT it may also be a name.

    The result is a chunk that returns the program as a function, so that the counter can be
    joined to the prelude's from outside.
    """
    if source.startswith("#"):
        source = "--" + source[1:]
    taken = frozenset(NAMES.findall(SKIPPED.sub(" ; ", source))) - {""}
    counter, check = _fresh(taken)
    point = f" {counter}={counter}-1 if {counter}<0 then {counter}={check}() end "
    out: list[str] = []
    last = head = here = 0
    for match in POINT.finditer(source):
        word, at = match["word"], match.end()
        since, here = here, match.start()
        if word is None:
            continue
        if word == "function":
            # Parameters hold no parentheses, so the first ")" ends the head. Comments may.
            at = head = _head_end(source, match.end())
        elif word == "goto" and (reserved or _is_goto(source, since, *match.span())):
            at = match.start()
        elif word not in ("do", "repeat") or match.start() < head:
            continue
        out += source[last:at], point
        last = at
    out.append(source[last:])
    body = "".join(out)
    code = f"local {counter},{check}=... return function(...) {body}\nend"
    return Rewritten(code, counter, check, taken)


def _fresh(taken: frozenset[str]) -> tuple[str, str]:
    counter = "_n"
    while counter in taken or counter + "f" in taken:
        counter += "_"
    return counter, counter + "f"


_HEAD = re.compile(
    r"(?:--\[(=*)\[.*?\]\1\]|--[^\n\r]*|[^()-])*\((?:--\[(=*)\[.*?\]\2\]|--[^\n\r]*|[^)-])*\)",
    re.DOTALL,
)


def _head_end(source: str, start: int) -> int:
    match = _HEAD.match(source, start)
    assert match is not None, "the source was checked to parse"
    return match.end()


_GOTO = re.compile(
    r"(?:--\[(=*)\[.*?\]\1\]|--[^\n\r]*|\s)*((?:[A-Za-z_]|[^\x00-\x7f])\w*)", re.DOTALL
)
_COMMENT = re.compile(r"--\[(=*)\[.*?\]\1\]|--[^\n\r]*", re.DOTALL)
_KEYWORDS = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
_BEFORE_EXPRESSION = frozenset(
    [
        "and",
        "elseif",
        "for",
        "function",
        "if",
        "in",
        "local",
        "not",
        "or",
        "return",
        "until",
        "while",
    ]
)


def _is_goto(source: str, since: int, start: int, end: int) -> bool:
    """LuaJIT lets `goto` be a name: a statement has a label after it and no operator before it.

    `since` is where a token begins, before `start`.
    """
    before, before_end = "", since
    for match in TOKEN.finditer(source, since, start):
        if match.lastgroup != "comment":
            before, before_end = match["word"] or "", match.end()
    label = _GOTO.match(source, end)
    if label is None or label[2] in _KEYWORDS:
        return False
    between = _COMMENT.sub(" ", source[before_end:start]).rstrip()
    if not between:
        return before not in _BEFORE_EXPRESSION
    return between.endswith(("::", "...")) or between[-1] not in "+-*/%^#<>=~(,{[.:&|"
