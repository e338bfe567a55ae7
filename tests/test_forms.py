"""Plain forms: Python's own types and registered classes, to scripts and back."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

import pytest

import llmspell
from llmspell import forms, register_record, values
from llmspell.capability import DeclarationError, declared
from llmspell.errors import ParamError, UsageError
from llmspell.typespec import Misfit, read
from llmspell.values import MAX_DEPTH, CannotCross, decode, encode


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):  # noqa: UP042 - what older code still writes
    YES = "yes"


class Pair(NamedTuple):
    """Two values.

    first: the one.
    second: the other.
    """

    first: int
    second: str = "x"


@dataclass
class Item:
    """A thing with a price.

    name: what it is called.
    price: what it costs.
    """

    name: str
    price: Decimal

    def __post_init__(self) -> None:
        if self.price < 0:
            raise ValueError("price must not be negative")


class Money:
    def __init__(self, amount: int, currency: str) -> None:
        self.amount, self.currency = amount, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Euro(Money):
    pass


UTC = dt.UTC


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    """What a test registers is gone after it."""
    kept, known = dict(forms.FORMS), set(values.REGISTERED)
    yield
    forms.FORMS.clear()
    forms.FORMS.update(kept)
    values.REGISTERED.clear()
    values.REGISTERED.update(known)


READY: list[tuple[Any, Any]] = [
    (dt.datetime(2026, 1, 31, 12, 30, tzinfo=UTC), "2026-01-31T12:30:00+00:00"),
    (dt.datetime(2026, 1, 31, 12, 30), "2026-01-31T12:30:00"),
    (dt.date(2026, 1, 31), "2026-01-31"),
    (dt.time(12, 30), "12:30:00"),
    (dt.timedelta(minutes=1, milliseconds=500), 60.5),
    (Decimal("0.10"), "0.10"),
    (Decimal("123456789012345678901234567890.123"), "123456789012345678901234567890.123"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (PurePosixPath("a/b"), "a/b"),
    (Colour.RED, "red"),
    (Level.LOW, 1),
    (Word.YES, "yes"),
    (Pair(1), {"first": 1, "second": "x"}),
    (Item("a", Decimal("1.50")), {"name": "a", "price": "1.50"}),
]


@pytest.mark.parametrize(("value", "plain"), READY, ids=repr)
def test_what_is_ready_has_a_plain_form_and_comes_back(value: Any, plain: Any) -> None:
    assert decode(encode([value])) == [plain]
    found = read(type(value)).fit(plain, "p", None)  # type: ignore[arg-type]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("engine", ["lua54", "lua55", "luajit"])
def test_a_script_sees_plain_data_only(engine: str) -> None:
    params = {"when": dt.date(2026, 1, 31), "item": Item("a", Decimal("1.50")), "p": [Pair(1)]}
    source = """
        assert(type(params.when) == "string" and getmetatable(params.item) == nil)
        return {params.when, params.item.price, params.p[1].second}
    """
    assert llmspell.run_sync(source, params, engine=engine).value == ["2026-01-31", "1.50", "x"]


MISFITS: list[tuple[Any, Any, str]] = [
    (dt.date, "soon", "p must be a date as ISO 8601 text, got string"),
    (dt.date, 5, "p must be a date as ISO 8601 text, got number"),
    (dt.datetime, "x" * 2000, "p must be a date and time as ISO 8601 text, got string"),
    (dt.timedelta, 1e300, "p must be a number of seconds, got number"),
    (Decimal, "NaN", "p must be a decimal number as text, got string"),
    (Decimal, "1" * 2000, "p must be a decimal number as text, got string"),
    (Decimal, 1.5, "p must be a decimal number as text, got number"),
    (uuid.UUID, "5", "p must be a UUID as text, got string"),
    (Colour, "green", 'p must be one of "red", "blue", got string'),
    (Colour, [], 'p must be one of "red", "blue", got table'),
    (list[dt.date], ["2026-01-31", "x"], "p[2] must be a date as ISO 8601 text, got string"),
    (Item, {"name": "a", "price": "-1"}, "p.price must not be negative"),
    (Item, {"name": "a", "price": 1}, "p.price must be a decimal number as text, got number"),
    (Pair, {}, "p.first is missing: it must be an integer"),
    (Pair, {"first": 1, "thrid": 2}, "p.thrid is not known; known are first, second"),
]


@pytest.mark.parametrize(("annotation", "value", "said"), MISFITS, ids=lambda v: str(v)[:30])
def test_what_does_not_fit_names_the_path(annotation: Any, value: Any, said: str) -> None:
    with pytest.raises(Misfit) as caught:
        read(annotation).fit(value, "p", None)  # type: ignore[arg-type]
    assert str(caught.value) == said


def test_a_path_is_text_and_no_permission() -> None:
    def name(path: Path) -> str:
        """Tells the name of a file.

        path: the file.
        returns: its name.
        """
        return path.name

    functions = {"my.name": llmspell.Function(name, needs="fs.read:{path}")}
    with pytest.raises(llmspell.Denied):
        llmspell.run_sync("return my.name('/etc/passwd')", functions=functions)


def test_the_schema_is_that_of_the_plain_form() -> None:
    assert read(dt.date).schema() == {"type": "string", "description": "a date as ISO 8601 text"}
    assert [type(t).__name__ for t in read(dt.timedelta).children()] == ["Scalar"]


# Registering. -------------------------------------------------------------------------------------


def parse(text: str) -> Money:
    amount, currency = text.split()
    return Money(int(amount), currency)


def test_what_is_not_registered_is_refused_with_its_path() -> None:
    with pytest.raises(ParamError) as caught:
        llmspell.run_sync("return 1", {"bill": {"lines": [Money(1, "EUR")]}})
    assert caught.value.message == (
        "params.bill.lines[1] is a Money, which cannot cross: register it"
    )


@pytest.mark.parametrize("engine", ["lua54", "lua55", "luajit"])
def test_a_registered_class_crosses_both_ways(engine: str) -> None:
    given = register_record(
        Money, to=lambda m: f"{m.amount} {m.currency}", of=parse, plain=str, describe="an amount"
    )
    assert given is Money

    def double(bill: list[Money], tip: Money | None = None) -> dict[str, Money]:
        """Doubles amounts.

        bill: what to double.
        tip: what to add.
        returns: twice the first.
        """
        assert all(type(m) is Money for m in bill)
        return {"sum": Money(2 * bill[0].amount, bill[0].currency)}

    functions = {"pay.double": double}
    source = "return pay.double({params.m}).sum"
    params = {"m": Money(4, "EUR")}
    result = llmspell.run_sync(source, params, functions=functions, engine=engine)
    assert result.value == "8 EUR"
    for argument, said in (("{5}", "number"), ("{'five'}", "string")):
        with pytest.raises(llmspell.BadArgument) as caught:
            llmspell.run_sync(f"pay.double({argument})", functions=functions, engine=engine)
        assert caught.value.message == f"pay.double: bill[1] must be an amount, got {said}"


def test_a_subclass_crosses_as_the_nearest_registered_class() -> None:
    register_record(Money, to=lambda m: m.amount)
    assert encode([Euro(3, "EUR")]) == b"[3]"
    register_record(Euro, to=lambda m: {"euro": m.amount})
    assert encode([Euro(3, "EUR"), Money(1, "x")]) == b'[{"euro":3},1]'


def test_a_registered_form_goes_before_one_that_is_ready() -> None:
    register_record(Item, to=lambda item: item.name)
    register_record(Colour, to=lambda colour: colour.name)
    assert encode([Item("a", Decimal(1)), Colour.RED]) == b'["a","RED"]'


def test_scalars_of_a_library_cross_once_registered() -> None:
    # As numpy's are: a class of its own, with a number inside.
    with pytest.raises(CannotCross, match="is a Fraction, which cannot cross: register it"):
        encode([Fraction(1, 2)])
    register_record(Fraction, to=float)
    assert encode({"half": [Fraction(1, 2)]}) == b'{"half":[0.5]}'


def test_a_class_without_of_is_a_result_but_no_parameter() -> None:
    register_record(Money, to=lambda m: m.amount)

    def take(m: list[Money]) -> None:
        """Takes one.

        m: it.
        """

    def give() -> Money:
        """Gives one.

        returns: it.
        """
        return Money(7, "EUR")

    assert llmspell.run_sync("return my.give()", functions={"my.give": give}).value == 7
    with pytest.raises(DeclarationError, match="parameter m: a class registered without of"):
        declared("my.take", take, take, "", "")


def test_what_a_form_gives_is_checked_like_any_value() -> None:
    register_record(Money, to=lambda m: {"inner": {1, 2}})
    with pytest.raises(CannotCross, match=r"value\[1\]\.inner is a set, which cannot cross"):
        encode([Money(1, "x")])
    register_record(Money, to=lambda m: m)
    with pytest.raises(CannotCross, match=f"is nested more than {MAX_DEPTH} deep"):
        encode([Money(1, "x")])
    register_record(Money, to=lambda m: 1 // 0)
    with pytest.raises(CannotCross) as caught:
        encode({"m": Money(1, "x")})
    assert str(caught.value) == "value.m could not be made plain (ZeroDivisionError)"


def test_a_value_in_a_registered_one_counts_once() -> None:
    register_record(Money, to=lambda m: m.amount)
    many: list[Any] = [Money(1, "x")] * (values.MAX_NODES - 1)
    assert len(decode(encode(many))) == values.MAX_NODES - 1
    with pytest.raises(CannotCross, match="is one of more than 100000 values"):
        encode([*many, 1])


@pytest.mark.parametrize("cls", [str, dict, type(None), object, "Money", 5])
def test_what_crosses_as_it_is_cannot_be_registered(cls: Any) -> None:
    with pytest.raises(UsageError, match="cannot be registered"):
        register_record(cls, to=str)


def test_paths_of_every_kind_are_text() -> None:
    assert encode(PurePath("x") / "y") == b'"x/y"'
