"""Cuts Tengo source into tokens, with the semicolons that the ends of lines stand for.

A token is its kind, its text (or value) and where it starts. Kinds are "name", "int", "float",
"char", "string", "end", and for keywords and operators their own text; the semicolon of a line's
end has the text "\\n".
"""

from __future__ import annotations

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
  | 0[xX][0-9a-fA-F_]*|0[bB][01_]*|0[oO][0-7_]*
  | (?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?
  | //[^\n]*|/\*.*?\*/
  | "(?:[^"\\\n]|\\[^\n])*"
  | `[^`]*`
  | '(?:[^'\\\n]|\\[^\n])[^'\n]*'
  | {OPERATOR.pattern}
  | .
    """,
    re.VERBOSE | re.DOTALL,
)
"""Every piece of a source: what is no token is a character alone."""

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
SIMPLE = dict(zip("abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\"", strict=True))
MAX_INT = 2**63 - 1


class Tokens(NamedTuple):
    """Parallel lists, which end with a token of kind "end"."""

    kinds: list[str]
    values: list[Any]
    places: list[int]
    lines: list[int]


def tokenize(source: str, name: str) -> Tokens:
    """Raises TengoSyntaxError at what is no token."""
    kinds: list[str] = []
    values: list[Any] = []
    places: list[int] = []
    lines: list[int] = []
    known = FIXED.copy()
    line, at, last = 1, 0, ""
    for text in TOKEN.findall(source):
        start, at = at, at + len(text)
        made = known.get(text)
        if made is None:
            made = known[text] = _piece(text, source, name, start)
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
        last = kind
        if text[0] == "`":
            line += text.count("\n")
    if last in ENDING:
        kinds.append(";")
        values.append("\n")
        places.append(at)
        lines.append(line)
    kinds.append("end")
    values.append("EOF")
    places.append(at)
    lines.append(line)
    return Tokens(kinds, values, places, lines)


def _piece(text: str, source: str, name: str, at: int) -> tuple[str, Any]:
    """Kind and value of what is not in FIXED. A comment over more than one line ends a line."""
    first = text[0]
    if first == "_" or (first.isalnum() and not first.isdecimal()):
        return "name", text
    if first in " \t\r":
        return "", None
    if len(text) > 1:
        if text.startswith(("//", "/*")):
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
        return "illegal rune literal"
    return f"illegal character U+{ord(source[at]):04X}"


def _number(text: str, source: str, name: str, at: int) -> tuple[str, Any]:
    plain = text.replace("_", "")
    try:
        if plain[:2].lower() in ("0x", "0b", "0o"):
            value = int(plain, 0)
        elif plain.isdigit():
            # More digits than Python converts are out of range anyway.
            value = int(plain[:40], 8 if plain[0] == "0" and len(plain) > 1 else 10)
        else:
            return "float", float(plain)
    except ValueError:
        raise problem("Parse", f"illegal number literal {text[:40]}", source, name, at) from None
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
        if match is None:
            raise problem("Parse", "unknown escape sequence", source, name, at + 1 + start)
        out.append(body[last:start].encode(errors="surrogatepass"))
        out.append(_escaped(match, source, name, at + 1 + start))
        last = match.end()
    out.append(body[last:].encode(errors="surrogatepass"))
    return b"".join(out)


def _escaped(match: re.Match[str], source: str, name: str, at: int) -> bytes:
    if match["simple"]:
        return SIMPLE[match["simple"]].encode()
    if match["octal"] or match["hex"]:
        code = int(match["octal"], 8) if match["octal"] else int(match["hex"], 16)
        if code > 255:
            raise problem("Parse", "octal escape value > 255", source, name, at)
        return bytes((code,))
    code = int(match["short"] or match["long"], 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise problem("Parse", "escape sequence is invalid Unicode code point", source, name, at)
    return chr(code).encode()


def _char(body: str, source: str, name: str, at: int) -> int:
    if len(body) == 1 and body != "\\":
        return ord(body)
    match = ESCAPE.fullmatch(body)
    if match is None or match["simple"] == '"':
        raise problem("Parse", "illegal rune literal", source, name, at)
    if match["octal"] or match["hex"]:
        return _escaped(match, source, name, at)[0]
    return ord(_escaped(match, source, name, at).decode())
