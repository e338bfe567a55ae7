"""Schemas as short text: "name, age int, tags: list of string" becomes JSON Schema.

    fields   field, field ...           commas or new lines between them
    field    name? type 1..5 (what it is)
             `?` has it left out, the range bounds a number or a length, the rest may be missing:
             a field without a type is a string
    type     string int number bool any object date datetime time email url uuid
             list of TYPE    map of TYPE    {fields}    open | closed | "on hold"

A text that begins with `list of`, `map of` or `{` is that type; any other is an object.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

from ...errors import BadArgument, near_miss

MAX_TEXT = 16 * 1024
"""Characters of a text."""

MAX_DEPTH = 12
"""How deep types may stand in each other."""

TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "any": {},
    "object": {"type": "object"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "email": {"type": "string", "format": "email"},
    "url": {"type": "string", "format": "uri"},
    "uuid": {"type": "string", "format": "uuid"},
}
"""Type -> its JSON Schema."""

MISTAKABLE = frozenset({
    "string", "int", "integer", "number", "float", "bool", "boolean", "null", "true", "false",
})  # fmt: skip
"""Words that in `string | null` hardly mean these letters."""

BOUNDS = {
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
}
"""Type of JSON Schema -> the keywords of a range."""

TOKEN = re.compile(
    r"""[^\S\n]*(?:(?P<quoted>"(?:[^"\\\n]|\\.)*")|(?P<note>\([^()\n]*\))
    |(?P<range>-?\d{1,15}(?:\.\d{1,15})?\.\.(?:-?\d{1,15}(?:\.\d{1,15})?)?(?![\w.])
    |\.\.-?\d{1,15}(?:\.\d{1,15})?(?![\w.]))|(?P<number>-?\d{1,15}(?:\.\d{1,15})?(?![\w.]))|(?P<word>[^\W\d][\w-]*)|(?P<sign>[?:,|{}\n]))""",
    re.X,
)


class Token(NamedTuple):
    """One token: what it is, its text, and where it begins."""

    kind: str
    text: str
    at: int


def read_text(text: str) -> dict[str, Any]:
    """The JSON Schema of a text. Raises BadArgument with the line and column of a mistake."""
    if len(text) > MAX_TEXT:
        raise BadArgument(f"the text of the schema is longer than {MAX_TEXT} characters")
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.tokens: list[Token] = []
        place = 0
        while place < len(text):
            found = TOKEN.match(text, place)
            if found is None:
                if not text[place:].strip(" \t\r"):
                    break
                blank = re.compile(r"[^\S\n]*").match(text, place)
                place = place if blank is None else blank.end()
                self.refuse(f"{text[place]!r} does not belong here", place)
            kind = str(found.lastgroup)
            self.tokens.append(Token(kind, found[kind], found.start(kind)))
            place = found.end()
        self.tokens.append(Token("end", "the end", len(text)))

    def refuse(self, what: str, at: int | None = None) -> NoReturn:
        """Raises BadArgument for what stands at a place."""
        at = self.tokens[self.at].at if at is None else at
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise BadArgument(f"the text of the schema, line {line}, column {column}: {what}")

    def peek(self, *texts: str) -> bool:
        token = self.tokens[self.at]
        return token.kind in ("sign", "word") and token.text in texts

    def take(self, *texts: str) -> bool:
        if self.peek(*texts):
            self.at += 1
            return True
        return False

    def told(self) -> str:
        token = self.tokens[self.at]
        return "the end of the line" if token.text == "\n" else token.text

    def whole(self) -> dict[str, Any]:
        while self.take("\n"):
            pass
        if self.peek("{") or (self.peek("list", "map") and self.tokens[self.at + 1].text == "of"):
            schema = self.bounded(self.type())
            self.note(schema)
            while self.take("\n"):
                pass
        else:
            schema = self.fields("end")
        if self.tokens[self.at].kind != "end":
            self.refuse(f"expected the end, got {self.told()}")
        return schema

    def fields(self, closing: str) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        while True:
            while self.take("\n", ","):
                pass
            if self.tokens[self.at].kind == "end" or self.peek("}"):
                break
            name, optional, schema = self.field(properties)
            properties[name] = schema
            if not optional:
                required.append(name)
            if not (self.peek(",", "\n", "}") or self.tokens[self.at].kind == "end"):
                self.refuse(f"expected a comma behind the field {name}, got {self.told()}")
        if closing == "}" and not self.peek("}"):
            self.refuse("expected }, got the end")
        if not properties:
            self.refuse("there is no field here")
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        return made | {"additionalProperties": False}

    def field(self, known: dict[str, Any]) -> tuple[str, bool, dict[str, Any]]:
        token = self.tokens[self.at]
        if token.kind not in ("word", "quoted"):
            self.refuse(f"expected the name of a field, got {self.told()}")
        name = _unquoted(token)
        if name in known:
            self.refuse(f"there are two fields {name}")
        self.at += 1
        optional = self.take("?")
        given = self.take(":")
        if given or self.tokens[self.at].kind in ("word", "quoted", "number") or self.peek("{"):
            schema = self.type()
        else:
            schema = dict(TYPES["string"])
        if self.peek("?"):
            self.refuse(f"write the ? behind the name: {name}?")
        schema = self.bounded(schema)
        self.note(schema)
        return name, optional, schema

    def type(self) -> dict[str, Any]:
        if self.depth == MAX_DEPTH:
            self.refuse(f"types stand in each other more than {MAX_DEPTH} deep")
        self.depth += 1
        schema = self.type_here()
        self.depth -= 1
        return schema

    def type_here(self) -> dict[str, Any]:
        token, following = self.tokens[self.at], self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if token.kind in ("quoted", "number") or (token.kind == "word" and following.text == "|"):
            return self.choices()
        if self.take("{"):
            schema = self.fields("}")
            self.at += 1
            return schema
        if token.kind != "word":
            self.refuse(f"expected a type, got {self.told()}")
        if token.text in ("list", "map"):
            self.at += 1
            if not self.take("of"):
                self.refuse(f"expected of behind {token.text}, got {self.told()}")
            item = self.type()
            if token.text == "list":
                return {"type": "array", "items": item}
            return {"type": "object", "additionalProperties": item}
        if token.text not in TYPES:
            known = (*TYPES, "list", "map")
            self.refuse(f"there is no type {token.text}{near_miss(token.text, known)}")
        self.at += 1
        return dict(TYPES[token.text])

    def choices(self) -> dict[str, Any]:
        values: list[Any] = []
        while True:
            token = self.tokens[self.at]
            if token.kind not in ("quoted", "number", "word"):
                self.refuse(f"expected a choice, got {self.told()}")
            if token.kind == "word" and token.text in MISTAKABLE:
                self.refuse(
                    f'a choice has texts and numbers: write "{token.text}" in quotes if it is a '
                    "text, and a schema of several types as a map"
                )
            value: Any = _unquoted(token)
            if token.kind == "number":
                value = float(token.text) if "." in token.text else int(token.text)
            if value in values:
                self.refuse(f"the choice {token.text} is there twice")
            values.append(value)
            self.at += 1
            if not self.take("|"):
                return {"enum": values}

    def bounded(self, schema: dict[str, Any]) -> dict[str, Any]:
        token = self.tokens[self.at]
        if token.kind != "range":
            return schema
        names = BOUNDS.get(str(schema.get("type")))
        if names is None or "format" in schema:
            self.refuse("a range is for numbers, strings and lists")
        least, _, most = token.text.partition("..")
        found = {}
        for name, text in zip(names, (least, most), strict=True):
            if text:
                value = float(text)
                found[name] = int(value) if value.is_integer() else value
                if names[0] != "minimum" and (value < 0 or not value.is_integer()):
                    self.refuse("a range of lengths has whole numbers from 0")
        if len(found) == 2 and found[names[0]] > found[names[1]]:
            self.refuse("the range is empty: its first number is above its second")
        self.at += 1
        return schema | found

    def note(self, schema: dict[str, Any]) -> None:
        token = self.tokens[self.at]
        if token.kind == "note":
            schema["description"] = token.text[1:-1].strip()
            self.at += 1


def _unquoted(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1]) if token.kind == "quoted" else token.text
