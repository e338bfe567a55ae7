"""Spells and frames that nobody wrote: mutated ones, each the same whenever it is asked for again.

A spell is taken apart into tokens, which are cut, doubled, swapped, exchanged for others and moved
between spells. Most of it works on whole lines, numbers, strings and names, because what does not
parse reaches nothing but the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from ..runtime.frames import LENGTH, MAX_FRAME, exit_frame, pack
from .conformance import read_cases

TOKEN = re.compile(
    r"""
    --\[(?P<c>=*)\[.*?\](?P=c)\] | --[^\n]*
  | \[(?P<s>=*)\[.*?\](?P=s)\]
  | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'
  | 0[xX][\w.]+ | \.?\d[\w.]*
  | [A-Za-z_]\w*
  | \s+
  | \.\.\. | \.\. | == | ~= | <= | >= | << | >> | // | ::
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
STRING = re.compile(r"""["'].*["']|\[=*\[.*\]=*\]""", re.DOTALL)
NUMBER = re.compile(r"\.?\d.*", re.DOTALL)
NAME = re.compile(r"[A-Za-z_]\w*")
LINES = re.compile(r"[^\n]*\n|[^\n]+")

KEYWORDS = frozenset({
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
})  # fmt: skip
OPERATORS = (
    "+", "-", "*", "/", "//", "%", "^", "#", "&", "|", "~", "<<", ">>", "==", "~=", "<", ">",
    "<=", ">=", "..", "and", "or", "not",
)  # fmt: skip

NUMBERS = (
    "0", "-0.0", "1", "-1", "2", "3", "255", "256", "1e3", "65536", "1e5", "1e7", "1e9", "1e15",
    "1e308", "-1e308", "1e-320", "0.5", "(0/0)", "(1/0)", "(-1/0)", "0x7fffffff", "0x80000000",
    "-0x80000000", "0xffffffff", "2^31", "2^53", "-2^53", "9007199254740993", "math.maxinteger",
    "math.mininteger", "9223372036854775808", "0x1p-1074", "nil", "'10'", "'0x10'", "true", "{}",
)  # fmt: skip
STRINGS = (
    '""', '"\\0"', '"\\255\\254"', '"\\xc0\\x80"', '"\\xed\\xa0\\x80"', '"\\u{10FFFF}"',
    '"\\u{7FFFFFFF}"', '"%s%d%f%q%c%x"', '"%99.99f"', '"%"', '"[a"', '"(.-)*%1"', '"%b()"',
    '"%f[%w]"', '".-.-.-.-b$"', '"^(.-)%1$"', '"__index"', '"__gc"', '"__close"', '"k"', '"n"',
    '"../../etc/passwd"', '"/proc/self/environ"', '"a\\0b"', '"\\27[31m"', '"\\u{202E}"',
    '"\\r\\n"', '"{}"', '"[1,2"', '"1e999"', '"\\0handle"', '"return 1"', '"while true do end"',
    "[[]]", '("x"):rep(1e5)', '("x"):rep(2e6)', '("ab"):rep(5e3)', '("(" ):rep(300)',
    '("["):rep(1e4)', '("a,"):rep(1e4)', '("%s"):rep(300)',
)  # fmt: skip
RAW = ("\0", "\x1b", "\ud800", "\ufeff", "\u2028", "é", "\U0001f600", "\r", "\x7f", "\x1bLua", "#!")
VALUES = ("nil", "true", "false", "{}", "print", "...", "_G", "_ENV", "params", "string", "select",
          "coroutine.running()", "function() end", "function(...) return ... end",
          "setmetatable({}, {__index = error})", "setmetatable({}, {__name = 1})")  # fmt: skip
AROUND = (
    "pcall(function() BODY end)",
    "coroutine.wrap(function() BODY end)()",
    "await(async(function() BODY end))",
    "parallel{function() BODY end, function() BODY end}",
    "for _ = 1, 3 do BODY end",
    "while true do BODY end",
    "local ok <close> = setmetatable({}, {__close = function() BODY end})",
    "print(setmetatable({}, {__index = function() BODY end}).x)",
    "setmetatable(_ENV, {__index = function() BODY end}) print(nothing)",
    "table.sort({3, 1, 2}, function(a, b) BODY end)",
    "string.gsub('abc', '.', function() BODY end)",
    "xpcall(error, function() BODY end)",
    "local function f() BODY return f() end f()",
    "error(setmetatable({}, {__tostring = function() BODY end}))",
    "for _ in pairs(setmetatable({}, {__pairs = function() BODY end})) do end",
)
"""Where the text of a spell is put in the place of BODY."""


class Spell(NamedTuple):
    """A spell to mutate. `alone` tells that it must never run in the host's own process."""

    name: str
    source: str
    alone: bool = False


def read_spells(folders: Sequence[Path]) -> list[Spell]:
    """The Lua files and the conformance tables of some folders, always in the same order."""
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*.lua")):
            text = path.read_bytes().decode()
            alone = re.search(r"^-- only: isolated", text, re.MULTILINE) is not None
            found.append(Spell(path.stem, re.sub(r"\A(?:-- [^\n]*\n)+", "", text), alone))
        for case in read_cases(folder):
            if "lua" in case.sources:
                found.append(Spell(case.name, case.sources["lua"]))
    return found


def mutated(random: Random, spells: Sequence[Spell]) -> str:
    """A spell with one to four changes. Nothing comes from spells other than those given."""
    text = random.choice(spells).source
    for _ in range(random.choice((1, 1, 2, 2, 3, 4))):
        text = random.choice(CHANGES)(random, text, spells)
    return text


# Changes of a text. Each takes the text and the spells it may borrow from.


def _span(random: Random, items: Sequence[Any]) -> tuple[int, int]:
    start = random.randrange(len(items) + 1)
    return start, min(len(items), start + random.choice((1, 1, 1, 2, 3, 8)))


def _rearranged(random: Random, parts: list[str], others: list[str]) -> str:
    start, end = _span(random, parts)
    first, last = _span(random, others)
    match random.randrange(5):
        case 0:
            parts[start:end] = []
        case 1:
            parts[start:start] = parts[start:end] * random.choice((1, 1, 1, 2, 50))
        case 2:
            parts[start:end] = others[first:last]
        case 3:
            parts[start:start] = others[first:last]
        case _:
            other = random.randrange(len(parts) + 1)
            moved = parts[start:end]
            parts[start:end] = []
            parts[other:other] = moved
    return "".join(parts)


def _lines(random: Random, text: str, spells: Sequence[Spell]) -> str:
    other = random.choice(spells).source
    return _rearranged(random, LINES.findall(text), LINES.findall(other))


def _tokens(random: Random, text: str, spells: Sequence[Spell]) -> str:
    other = random.choice(spells).source
    return _rearranged(random, _split(text), _split(other))


def _split(text: str) -> list[str]:
    return [match[0] for match in TOKEN.finditer(text)]


def _exchanged(random: Random, text: str, kind: Callable[[str], bool], new: str) -> str:
    """Puts `new` in the place of one token of a kind; of every one, now and then."""
    tokens = _split(text)
    places = [place for place, token in enumerate(tokens) if kind(token)]
    if places:
        chosen = places if random.random() < 0.05 else [random.choice(places)]
        for place in chosen:
            tokens[place] = new
    return "".join(tokens)


def _number(random: Random, text: str, spells: Sequence[Spell]) -> str:
    return _exchanged(random, text, lambda t: bool(NUMBER.fullmatch(t)), random.choice(NUMBERS))


def _string(random: Random, text: str, spells: Sequence[Spell]) -> str:
    new = random.choice(STRINGS)
    if random.random() < 0.1:
        new = '"' + random.choice((*RAW, "a")) * random.choice((1, 300, 70_000)) + '"'
    return _exchanged(random, text, lambda t: bool(STRING.fullmatch(t)), new)


def _is_name(token: str) -> bool:
    return NAME.fullmatch(token) is not None and token not in KEYWORDS


def _name(random: Random, text: str, spells: Sequence[Spell]) -> str:
    names = [token for token in _split(random.choice(spells).source) if _is_name(token)]
    return _exchanged(random, text, _is_name, random.choice(names or ["_ENV"]))


def _value(random: Random, text: str, spells: Sequence[Spell]) -> str:
    def kind(token: str) -> bool:
        return bool(NUMBER.fullmatch(token) or STRING.fullmatch(token) or token in ("nil", "{}"))

    return _exchanged(random, text, kind, random.choice(VALUES))


def _operator(random: Random, text: str, spells: Sequence[Spell]) -> str:
    return _exchanged(random, text, lambda t: t in OPERATORS, random.choice(OPERATORS))


def _wrapped(random: Random, text: str, spells: Sequence[Spell]) -> str:
    other = random.choice((text, random.choice(spells).source))
    whole = random.choice(AROUND).replace("BODY", f"\n{other}\n")
    return whole if other is text else f"{whole}\n{text}"


def _raw(random: Random, text: str, spells: Sequence[Spell]) -> str:
    place = random.randrange(len(text) + 1)
    return text[:place] + random.choice(RAW) + text[place + random.randrange(2) :]


CHANGES = (
    *(_lines, _lines, _lines, _tokens, _number, _number, _number, _string, _string, _string),
    *(_name, _name, _value, _value, _operator, _wrapped, _wrapped, _raw),
)


# What a hostile worker may send.

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 2**31, -(2**63), 2**64, 10**400, 0.5, 1e308),
    *("", "x", [], {}, [["spell", 1, ""]] * 101, "[" * 3000, "1e999", "9" * 5000),
    *("print", "time.now", "fs.read", "sleep.long", "\0", "\ud800", "x" * 2000, [[]], [None], "[]"),
    *({"process": 1}, {"type": "KeyError"}),
    *('{"\\u0000handle":["agent",1]}', '{"\\u0000function":1}', "NaN", float("nan")),
    {"type": "TimeLimit", "code": "time", "message": "", "frames": [], "limit": "0 s"},
    {"type": "Denied", "code": "x", "message": "m", "frames": [], "capability": "c"},
    {"type": "ScriptRuntimeError", "code": "", "message": "", "frames": [], "value": "[1"},
)  # fmt: skip
HONEST: tuple[tuple[Any, ...], ...] = (
    ("ready", {"process": ""}),
    ("state", 1, True, 10, 1000, 1500, 1, 0.1, [["spell", 1, ""]]),
    ("near", "steps"),
    ("state", 1, False, 20, 2000, 2000, 2, 0.2, []),
    ("call", 1, "time.now", "[]"),
    ("call", 2, "json.encode", '[{"a":[1,2]}]'),
    ("call", 3, "time.sleep", "[0.001]"),
    ("call", 4, "tools.list", "[]"),
    ("print", "hello"),
    ("cancel", 3),
    ("fail", 1, {"type": "ScriptSyntaxError", "code": "", "message": "m", "frames": []}),
    ("done", 1, '{"a":[1,2.5,null,"x"]}'),
)


def mutated_frames(random: Random) -> tuple[bytes, bytes]:
    """What one hostile worker sends when it is started, and when it is given a spell."""
    messages = [list(message) for message in HONEST]
    if random.random() < 0.9:
        messages = [m for m in messages if random.random() < 0.9 and m[0] != "fail"]
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        if not messages:
            break
        message = random.choice(messages)
        place = random.randrange(len(message) + 1)
        message[place : place + random.choice((1, 1, 1, 1, 0, 2))] = [random.choice(ODD)]
    if random.random() < 0.2:
        random.shuffle(messages)
    sent = [_packed(message) * random.choice((1,) * 30 + (2, 300)) for message in messages]
    if random.random() < 0.3:
        sent.append(exit_frame(random.choice((0, 1, 9, 11, 24, 127, 256, 99999, 512))))
    data = bytearray(b"".join(sent))
    if data and random.random() < 0.4:
        for _ in range(random.choice((1, 1, 4, 40))):
            data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.2:
        del data[random.randrange(len(data) + 1) :]
    if random.random() < 0.1:
        size = random.choice((0, 1, MAX_FRAME, MAX_FRAME + 1, 2**32 - 1))
        data += LENGTH.pack(size) + random.randbytes(random.choice((0, 5, 5000)))
    # Only a worker that says it is ready is given a spell.
    ready = pack(*HONEST[0])
    first = len(ready) if data.startswith(ready) and random.random() < 0.9 else len(data)
    return bytes(data[:first]), bytes(data[first:])


def _packed(message: list[Any]) -> bytes:
    try:
        return pack(*message)
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can spell it, UTF-8 cannot
        text = str(message).encode(errors="surrogatepass")
        return LENGTH.pack(len(text)) + text
