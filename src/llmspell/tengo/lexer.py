"""Cuts Tengo source into tokens, with the semicolons that the ends of lines stand for.

A token is its kind, its text (or value) and where it starts. Kinds are "name", "int", "float",
"char", "string", "end", and for keywords and operators their own text; the semicolon of a line's
end has the text "\\n".
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from .errors import TengoSyntaxError

KEYWORDS = frozenset(
    [
        "break",
        "continue",
        "else",
        "for",
        "func",
        "error",
        "immutable",
        "if",
        "return",
        "export",
        "true",
        "false",
        "in",
        "undefined",
        "import",
    ]
)
ENDING = frozenset(
    [
        *("name", "int", "float", "char", "string", ")", "]", "}", "++", "--"),
        *("break", "continue", "return", "export", "true", "false", "undefined"),
    ]
)
"""Kinds after which the end of a line ends the statement."""

OPERATOR = re.compile(
    r"\.\.\.|<<=|>>=|&\^=|<<|>>|&\^|&&|\|\||\+\+|--|:=|[-+*/%&|^=!<>]="
    r"|[-+*/%&|^<>=!(){}\[\],.;:?]"
)
TOKEN = re.compile(
    rf"""
    [ \t\r]+
  | \n
  | [^\W\d]\w*
  | 0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[bB][01_]*|0[oO][0-7_]*
  | (?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9_]*)?
  | //[^\n]*|/\*.*?\*/|/\*
  | "(?:[^"\\\n]|\\[^\n])*"
  | `[^`]*`
  | '(?:[^'\\\n]|\\[^\n])[^'\n]*'
  | {OPERATOR.pattern}
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
"""Every piece of a source: what is no token is a character alone."""

SPACED = re.compile(rf"[ \t\r]*({TOKEN.pattern})", TOKEN.flags)
"""A piece with the spaces before it."""

FIXED: dict[str, tuple[str, Any]] = {
    **{word: (word, word) for word in KEYWORDS},
    **dict.fromkeys((" ", "\t", "\r"), ("", None)),
    "\n": ("\n", None),
}
"""Pieces of which is known what they are: kind and value. Those without a kind are passed over."""

ESCAPE = re.compile(
    r"\\(?:(?P<simple>[abfnrtv\\'\"])|(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})"
    r"|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))"
)
BYTE_ORDER_MARK = "\ufeff"
SIMPLE = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))
INVALID = "escape sequence is invalid Unicode code point"
MAX_INT = 2**63 - 1


class Tokens(NamedTuple):
    """Parallel lists, which end with a token of kind "end".

    Before it one of kind "bad" may stand, whose value is the error of what is no token.
    """

    kinds: list[str]
    values: list[Any]
    places: list[int]
    lines: list[int]


def tokenize(source: str, name: str) -> Tokens:
    """Cuts up to the end, or to what is no token."""
    kinds: list[str] = []
    values: list[Any] = []
    places: list[int] = []
    lines: list[int] = []
    known = FIXED.copy()
    line, last, end = 1, "", len(source)
    if source.startswith(BYTE_ORDER_MARK):
        source = " " + source[1:]
    # One by one: what is not closed ends this, and each such would be looked for to the end.
    for found in SPACED.finditer(source):
        text, start = found[1], found.start(1)
        made = known.get(text)
        if made is None:
            try:
                made = known[text] = _piece(text, source, name, start)
            except TengoSyntaxError as error:
                made, last = ("bad", error), "bad"
        kind, value = made
        if not kind:
            continue
        if kind == "\n":
            if last in ENDING:
                kinds.append(";")
                values.append("\n")
                places.append(start)
                lines.append(line)
            last = ""
            line += text.count("\n")
            continue
        kinds.append(kind)
        values.append(value)
        places.append(start)
        lines.append(line)
        if last == "bad":
            break
        last = kind
        if kind == "string" and text[0] == "`":
            line += text.count("\n")
    if last in ENDING:
        kinds.append(";")
        values.append("\n")
        places.append(end)
        lines.append(line)
    kinds.append("end")
    values.append("EOF")
    places.append(end)
    lines.append(line)
    return Tokens(kinds, values, places, lines)


def _piece(text: str, source: str, name: str, at: int) -> tuple[str, Any]:
    """Kind and value of what is not in FIXED. A comment over more than one line ends a line."""
    first = text[0]
    if first == "_" or (first.isalnum() and not first.isdecimal()):
        for i, letter in enumerate(() if text.isascii() else text):
            if not (letter.isalpha() or letter.isdecimal() or letter == "_"):  # as in x²
                raise problem("Parse", _illegal(source, at + i), source, name, at + i)
        return "name", text
    if first in " \t\r":
        return "", None
    if len(text) > 1:
        if text.startswith(("//", "/*")) and text != "/*":
            return ("\n" if "\n" in text else ""), None
        if first == '"':
            return "string", _unescaped(text[1:-1], source, name, at)
        if first == "`":
            return "string", text[1:-1].replace("\r", "").encode()
        if first == "'":
            return "char", _char(text[1:-1], source, name, at)
        if first == "." and text != "...":
            return _number(text, source, name, at)
    if first.isdigit() and first.isascii():
        return _number(text, source, name, at)
    if OPERATOR.fullmatch(text):
        return text, text
    raise problem("Parse", _what_is_wrong(source, at), source, name, at)


def problem(stage: str, reason: str, source: str, name: str, place: int) -> TengoSyntaxError:
    """The error for a place in the source. Columns count bytes, as Tengo's do."""
    line = source.count("\n", 0, place) + 1
    column = len(source[source.rfind("\n", 0, place) + 1 : place].encode(errors="replace")) + 1
    return TengoSyntaxError(stage, reason, name, line, column)


def _what_is_wrong(source: str, at: int) -> str:
    if source.startswith("/*", at):
        return "comment not terminated"
    if source[at] == '"':
        return "string literal not terminated"
    if source[at] == "`":
        return "raw string literal not terminated"
    if source[at] == "'":
        end = source.find("\n", at)
        line = source[at + 1 : end if end >= 0 else len(source)]
        return "illegal rune literal" if "'" in line else "rune literal not terminated"
    return _illegal(source, at)


def _illegal(source: str, at: int) -> str:
    if source[at] in ("\0", BYTE_ORDER_MARK):
        return "illegal " + ("byte order mark" if source[at] != "\0" else "character NUL")
    shown = f" '{source[at]}'" if source[at].isprintable() else ""
    return f"illegal character U+{ord(source[at]):04X}{shown}"


def _number(text: str, source: str, name: str, at: int) -> tuple[str, Any]:
    plain = text.replace("_", "")
    if plain[-1] in "+-" or (plain[-1] in "eEpP" and plain[:2].lower() != "0x"):
        raise problem("Parse", "exponent has no digits", source, name, at + len(text))
    base = plain[:2].lower()
    digit = "[0-9a-fA-F]" if base == "0x" else "[0-9]"
    digits = "0" + text[2:] if base in ("0x", "0b", "0o") else text
    try:
        if "_" in text and re.search(f"(?<!{digit})_|_(?!{digit})", digits):
            raise ValueError
        if base == "0x" and re.search("[.pP]", plain):
            if "p" not in plain.lower():
                raise ValueError
            return "float", float.fromhex(plain)
        if base in ("0x", "0b", "0o"):
            value = int(plain, 0)
        elif plain.isdigit():
            # More digits than Python converts are out of range anyway.
            value = int(plain[:40], 8 if plain[0] == "0" and len(plain) > 1 else 10)
        elif math.isfinite(number := float(plain)):
            return "float", number
        else:
            value = MAX_INT + 1
    except ValueError:
        raise problem("Parse", f"illegal number literal {text[:40]}", source, name, at) from None
    except OverflowError:  # of a float in base 16
        value = MAX_INT + 1
    if value > MAX_INT:
        raise problem("Parse", f"value out of range: {text[:40]}", source, name, at)
    return "int", value


def _unescaped(body: str, source: str, name: str, at: int) -> bytes:
    if "\\" not in body:
        return body.encode(errors="surrogatepass")
    out, last = [], 0
    for found in re.finditer(r"\\", body):
        start = found.start()
        if start < last:
            continue
        match = ESCAPE.match(body, start)
        if match is None or match["simple"] == "'":
            raise _no_escape(source, name, at + 2 + start)
        out.append(body[last:start].encode(errors="surrogatepass"))
        out.append(_escaped(match, source, name, at + 1 + start))
        last = match.end()
    out.append(body[last:].encode(errors="surrogatepass"))
    return b"".join(out)


def _no_escape(source: str, name: str, at: int) -> TengoSyntaxError:
    """What is wrong with the escape whose letter is at a place."""
    found = re.compile(r"[0-7]+|x[0-9a-fA-F]*|u[0-9a-fA-F]*|U[0-9a-fA-F]*").match(source, at)
    if found is None:
        return problem("Parse", "unknown escape sequence", source, name, at)
    at = found.end()
    return problem("Parse", f"{_illegal(source, at)} in escape sequence", source, name, at)


def _escaped(match: re.Match[str], source: str, name: str, at: int) -> bytes:
    if match["simple"]:
        return SIMPLE[match["simple"]].encode()
    if match["octal"] or match["hex"]:
        code = int(match["octal"], 8) if match["octal"] else int(match["hex"], 16)
        if code > 255:
            raise problem("Parse", INVALID, source, name, at + 1)
        return bytes((code,))
    code = int(match["short"] or match["long"], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise problem("Parse", INVALID, source, name, at + 1)
    return chr(code).encode()


def _char(body: str, source: str, name: str, at: int) -> int:
    if len(body) == 1 and body != "\\":
        return ord(body)
    match = ESCAPE.match(body)
    if body.startswith("\\") and (match is None or match["simple"] == '"'):
        raise _no_escape(source, name, at + 2)
    if match is None or match.end() < len(body):
        raise problem("Parse", "illegal rune literal", source, name, at)
    if match["octal"] or match["hex"]:
        return _escaped(match, source, name, at)[0]
    return ord(_escaped(match, source, name, at).decode())
