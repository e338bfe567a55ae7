"""JSON as models write it: behind a sentence, in a code fence, with a comma too many, cut off.

    find(text)      the values in a text, the most likely first
    partial(text)   the value in the beginning of a text that is still coming

Strict JSON is read by the standard library. The rest is read here, in one pass whose time grows
with the length only: comments, quotes of other kinds or none at all, commas that are missing or too
many, quotes and line breaks inside strings, names of other languages, ends that never came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ...errors import BadArgument
from ...values import CannotCross, encode

MAX_TEXT = 256 * 1024
"""Characters that are read."""

MAX_DEPTH = 30
"""How deep what is not strict JSON may be nested."""

MAX_STARTS = 8
"""Places in a text at which a value is looked for."""

MAX_READINGS = 2
"""How often a text as a whole may be read, from several places in it."""

FENCE = re.compile(r"```[\w-]{0,20}[^\S\n]*\n(.*?)(?:```|\Z)", re.S)
BLANK = re.compile(r"(?:[\s\ufeff]+|//[^\n]*|#[^\n]*|/\*.*?(?:\*/|\Z))*", re.S)
BARE = re.compile(r"[^,:\[\]{}\n\"]*")
NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?")
WORDS = {"true": True, "false": False, "null": None, "none": None, "undefined": None, "nil": None,
         "nan": None}  # fmt: skip
QUOTES = {'"': '"', "'": "'", "\u201c": "\u201d", "`": "`"}
CUT = re.compile(r"[0-9a-fA-F]{0,3}\Z")
"""The half of a character by its number, where the text is cut off."""

CODE = re.compile(
    r"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?![dD][89a-fA-F])[0-9a-fA-F]{4}"
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def find(text: str) -> Iterator[Any]:
    """Every value that is likely to be meant. Raises BadArgument for a text that is too long."""
    if len(text) > MAX_TEXT:
        raise BadArgument(f"the text is longer than {MAX_TEXT} characters")
    found, value = _strict(text)
    if found and crosses(value):
        yield value
        return
    fenced = [match.start(1) for match in FENCE.finditer(text)]
    starts = [m.start() for at in fenced for m in [re.compile(r"\s*[\[{]").match(text, at)] if m]
    passed, left = 0, MAX_READINGS * len(text)
    for at in starts[:MAX_STARTS] or _openings(text):
        if at < passed:
            continue
        if left <= 0:
            return
        reader = _Reader(text, BLANK.match(text, at).end())  # type: ignore[union-attr]
        try:
            value = reader.value(0)
        except BadArgument:
            continue
        finally:
            left -= reader.at - at
        passed = reader.at
        if crosses(value):
            yield value


def crosses(value: Any) -> bool:
    """Whether a script can be told a value: no endless number, no half of a character."""
    try:
        encode(value)
    except CannotCross:
        return False
    return True


def _openings(text: str) -> list[int]:
    return [match.start() for match, _ in zip(re.finditer(r"[\[{]", text), range(64), strict=False)]


def _strict(text: str) -> tuple[bool, Any]:
    try:
        return True, json.loads(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return False, None


def partial(text: str) -> Any:
    """What has come of a value so far; None while there is nothing of it."""
    from pydantic_core import from_json

    start = re.search(r"[\[{]", text)
    if start is None:
        return None
    try:
        return from_json(text[start.start() :], allow_partial="trailing-strings")
    except ValueError:
        return next(find(text), None) if len(text) <= MAX_TEXT else None


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def skip(self) -> str:
        """Passes blanks and comments; gives the character behind them, "" at the end."""
        self.at = BLANK.match(self.text, self.at).end()  # type: ignore[union-attr]
        return self.text[self.at : self.at + 1]

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise BadArgument(f"the JSON is nested more than {MAX_DEPTH} deep")
        sign = self.skip()
        if sign == "{":
            return self.map(depth)
        if sign == "[":
            return self.list(depth)
        if sign in QUOTES:
            return self.string()
        return self.bare()

    def map(self, depth: int) -> dict[str, Any]:
        self.at += 1
        made: dict[str, Any] = {}
        while (sign := self.skip()) not in ("", "}"):
            if sign in ",;]":
                self.at += 1
                continue
            key = self.string() if sign in QUOTES else self.key()
            colon = self.skip()
            if colon not in (":", "="):
                if colon == "" or not key:
                    break
                made[key] = None
                continue
            self.at += 1
            if self.skip() in ("", ",", "}"):
                if self.skip():
                    made[key] = None
                continue
            made[key] = self.value(depth + 1)
        self.at += 1
        return made

    def list(self, depth: int) -> list[Any]:
        self.at += 1
        made: list[Any] = []
        while (sign := self.skip()) not in ("", "]"):
            if sign in ",;":
                self.at += 1
            elif sign in "}:":
                break
            else:
                made.append(self.value(depth + 1))
        self.at += 1
        return made

    def key(self) -> str:
        found = re.compile(r"[^\s:=,{}\[\]]*").match(self.text, self.at)
        assert found is not None
        self.at = max(found.end(), self.at + 1)
        return found[0]

    def string(self) -> str:
        """Up to the quote behind which something can follow; quotes before that are its own."""
        text, closing = self.text, QUOTES[self.text[self.at]]
        self.at += 1
        made: list[str] = []
        run = re.compile(rf"[^\\{re.escape(closing)}]*")
        while self.at < len(text):
            match = run.match(text, self.at)
            assert match is not None
            made.append(match[0])
            self.at = match.end()
            sign = text[self.at : self.at + 1]
            self.at += 1
            if sign == "\\":
                made.append(self.escaped())
            elif sign:
                rest = re.compile(r"\s*").match(text, self.at)
                assert rest is not None
                following = text[rest.end() : rest.end() + 1]
                if following in ("", ",", ":", "}", "]", "=", "/", "#") or "\n" in rest[0]:
                    break
                if rest[0]:
                    # Past the blanks, so that they are looked at once.
                    self.at = rest.end()
                made.append(closing + rest[0])
        return "".join(made)

    def escaped(self) -> str:
        sign = self.text[self.at : self.at + 1]
        self.at += 1
        if sign == "u":
            digits = CODE.match(self.text, self.at)
            if digits is None and CUT.match(self.text, self.at):
                self.at = len(self.text)
                return ""
            if digits is None:
                return "u"
            self.at = digits.end()
            return str(json.loads(f'"\\u{digits[0]}"'))
        return ESCAPES.get(sign, sign)

    def bare(self) -> Any:
        found = BARE.match(self.text, self.at)
        assert found is not None
        word = found[0].strip()
        self.at = max(found.end(), self.at + 1)
        if word.lower() in WORDS:
            return WORDS[word.lower()]
        if NUMBER.fullmatch(word):
            return _number(word)
        if not word:
            raise BadArgument("there is no value here")
        return word


def _number(word: str) -> int | float | str:
    if word.lstrip("+-").isdigit():
        number = int(word)
        return number if -(2**63) <= number < 2**63 else word
    return float(word) if abs(float(word)) != float("inf") else word
