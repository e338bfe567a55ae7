"""Inserts safepoints into Lua source, token by token, without moving a line.

A safepoint counts one step and, when the count runs out, calls back into the prelude. It goes
after every `do`, `repeat` and function head, and before every `goto`: every way a Lua program
can run for ever passes one. Not after labels, where it would break `goto continue` at the end
of a block.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""
    (?P<comment>--\[(?P<c>=*)\[.*?\](?P=c)\]|--[^\n\r]*)
  | \[(?P<s>=*)\[.*?\](?P=s)\]        # long string
  | "(?:[^"\\]++|\\.)*+"              # strings
  | '(?:[^'\\]++|\\.)*+'
  | (?P<word>(?:[A-Za-z_]|[^\x00-\x7f])(?:\w|[^\x00-\x7f])*)  # names (LuaJIT: beyond ASCII)
  | \d[\w.]*                          # numbers, so that 0xdo is one token
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


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
    tokens = [m for m in TOKEN.finditer(source) if m.lastgroup != "comment"]
    taken = frozenset(m["word"] for m in tokens if m["word"])
    counter, check = _fresh(taken)
    point = f" {counter}={counter}-1 if {counter}<0 then {counter}={check}() end "
    out: list[str] = []
    last = head = 0
    before = "", 0
    for match in tokens:
        word, at = match["word"], match.end()
        if word is None:
            before = "", at
            continue
        if word == "function":
            # Parameters hold no parentheses, so the first ")" ends the head. Comments may.
            at = head = _head_end(source, match.end())
        elif word == "goto" and (reserved or _is_goto(source, match.start(), match.end(), *before)):
            at = match.start()
        elif word not in ("do", "repeat") or match.start() < head:
            before = word, match.end()
            continue
        before = word, match.end()
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


def _is_goto(source: str, start: int, end: int, before: str, before_end: int) -> bool:
    """LuaJIT lets `goto` be a name: a statement has a label after it and no operator before it."""
    label = _GOTO.match(source, end)
    if label is None or label[2] in _KEYWORDS:
        return False
    between = _COMMENT.sub(" ", source[before_end:start]).rstrip()
    if not between:
        return before not in _BEFORE_EXPRESSION
    return between.endswith(("::", "...")) or between[-1] not in "+-*/%^#<>=~(,{[.:&|"
