"""Plain forms: how values of Python's types outside of the closed set cross, both ways.

A script sees plain data only. What is ready:

    datetime, date, time    text, ISO 8601            Decimal   text, every digit of it
    timedelta               seconds, a number         UUID      text
    Enum                    the value of the member   Path      text
    dataclass, NamedTuple   a map of its fields

`values.register_record` adds a class of your own, or one of a library:

    register_record(Money, to=lambda m: f"{m.amount} {m.currency}", of=Money.parse, plain=str)
    register_record(numpy.generic, to=lambda scalar: scalar.item())

Subclasses cross as the nearest registered class does.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

LONGEST = 1000
"""Characters of a text that stands for one value: reading a number takes longer than its length."""


class Form(NamedTuple):
    """How values of a class cross.

    to: gives plain data for a value.
    of: makes a value of a class from plain data, or None when it only goes to scripts.
    plain: annotation of the plain data.
    describe: the class in an error message, a noun phrase with its article.
    fields: whether it crosses field by field.
    """

    to: Callable[[Any], Any]
    of: Callable[[type, Any], Any] | None
    plain: Any
    describe: str
    fields: bool = False


def _text(of: Callable[[type, str], Any]) -> Callable[[type, str], Any]:
    def make(cls: type, text: str) -> Any:
        if len(text) > LONGEST:
            raise ValueError("too long")
        return of(cls, text)

    return make


def _iso(cls: Any, text: str) -> Any:
    return cls.fromisoformat(text)


def _decimal(cls: Any, text: str) -> Any:
    number = cls(text)
    if not number.is_finite():
        raise ValueError("not finite")
    return number


FORMS: dict[type, Form] = {
    datetime.datetime: Form(
        lambda v: v.isoformat(), _text(_iso), str, "a date and time as ISO 8601 text"
    ),
    datetime.date: Form(lambda v: v.isoformat(), _text(_iso), str, "a date as ISO 8601 text"),
    datetime.time: Form(lambda v: v.isoformat(), _text(_iso), str, "a time as ISO 8601 text"),
    datetime.timedelta: Form(
        lambda v: v.total_seconds(), lambda cls, n: cls(seconds=n), float, "a number of seconds"
    ),
    decimal.Decimal: Form(str, _text(_decimal), str, "a decimal number as text"),
    uuid.UUID: Form(str, _text(lambda cls, text: cls(text)), str, "a UUID as text"),
    pathlib.PurePath: Form(str, lambda cls, text: cls(text), str, "a path as text"),
    enum.Enum: Form(lambda v: v.value, lambda cls, v: cls(v), Any, "the value of a member"),
}
"""Every class that has a form, those that a program has registered among them."""


def form_of(cls: type) -> Form | None:
    """How values of a class cross: as the nearest registered class does, else field by field."""
    for base in cls.__mro__:
        if base in FORMS:
            form = FORMS[base]
            if base is enum.Enum:
                members = ", ".join(f'"{m.value}"' for m in cls)  # type: ignore[attr-defined]
                return form._replace(describe=f"one of {members}")
            return form
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    elif issubclass(cls, tuple) and hasattr(cls, "_fields"):
        names = list(cls._fields)
    else:
        return None
    return Form(lambda v: {name: getattr(v, name) for name in names}, None, Any, "a map", True)
