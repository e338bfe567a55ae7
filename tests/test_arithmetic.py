"""Arithmetic: what is worked out, what is refused, and that neither takes long."""

from __future__ import annotations

import math
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell.errors import BadArgument
from llmspell.host.formats.arithmetic import MAX_LENGTH, calculate

VALUES = [
    ("+".join("1" * 400), 400),
    ("2 + 3 * 4", 14), ("(2 + 3) * sqrt(16)", 20.0), ("10 / 4", 2.5), ("7 // 2", 3), ("-7 % 3", 2),
    ("2 ** 10", 1024), ("2 ** -1", 0.5), ("2 ** 100 / 2 ** 98", 4.0), ("1 < 2 < 3", True),
    ("1 < 3 < 2", False), ("1 == 1.0", True), ("round(2.6)", 3), ("round(2.345, 2)", 2.35),
    ("max(1, 5, 3)", 5), ("min(1, 5)", 1), ("log(8, 2)", 3.0), ("floor(-1.5)", -2), ("~5", -6),
    ("6 & 3 | 8", 10), ("1 << 10 >> 2", 256), ("not 0", True), ("0 or 5", 5), ("0 and x", 0),
    ("1 if 2 > 1 else x", 1), ("  1 + 1 ", 2), ("0x10 + 1_000", 1016), ("True", True),
    ("tau - 2 * pi", 0.0), ("1 ** 9999999999", 1), ("0 ** 9999999999", 0),
    ("2.0 ** 0.5", math.sqrt(2)), ("1\n+ 1", 2),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_values(expression: str, value: float) -> None:
    found = calculate(expression)
    assert found == value
    assert type(found) is type(value)


REFUSED = [
    ("1 / 0", "division by zero"),
    ("1 % 0", "division by zero"),
    ("2 ^ 3", "write ** for a power"),
    ("", "not arithmetic"),
    ("x", "x is not known"),
    ("x(1)", "not arithmetic"),
    ("sqrt(-1)", "math domain error"),
    ("sqrt(1, 2)", "sqrt takes 1 numbers"),
    ("max(1)", "max takes 2 to"),
    ("(-1) ** 0.5", "not a real number"),
    ("1j", "not arithmetic"),
    ("1.5 << 2", "not arithmetic"),
    ("~1.5", "not arithmetic"),
    ("1 << -1", "negative shift count"),
    ("1 in 2", "not arithmetic"),
    ("1e400", "too large"),
    ("10 ** 400 * 1.0", "too large"),
    ("exp(1000)", "too large"),
    ("'a'", "not arithmetic"),
    ("b'a'", "not arithmetic"),
    ("...", "not arithmetic"),
    ("None", "not arithmetic"),
    ("[1]", "not arithmetic"),
    ("(1).__class__", "not arithmetic"),
    ("sqrt.__globals__", "not arithmetic"),
    ("lambda: 1", "not arithmetic"),
    ("(y := 1)", "not arithmetic"),
    ("[x for x in (1,)]", "not arithmetic"),
    ("max(*(1, 2))", "not arithmetic"),
    ("round(x=1)", "not arithmetic"),
    ("1; 2", "not arithmetic"),
    ("1 # 2", "not arithmetic"),
]


@pytest.mark.parametrize(("expression", "reason"), REFUSED)
def test_what_is_no_arithmetic_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(BadArgument, match=r"^cannot work out ") as caught:
        calculate(expression)
    assert reason in caught.value.message


@pytest.mark.parametrize(
    "expression",
    [
        "3999999 ** 3999999",
        "9 ** 9 ** 9",
        "1 << 10 ** 9",
        "round(5, -10 ** 9)",
        "round(5.5, 10 ** 9)",
        "*".join(["9 ** 999"] * 80),
        "floor(1e308) ** 5",
        "1 " + "<< 4000 " * 100,
        "(" * 400 + "1" + ")" * 400,
        "-" * (MAX_LENGTH - 1) + "1",
        "not " * 200 + "1 / 0",
        "2 **" * 200 + "2",
        "1+" * 10_000_000 + "1",
        "9" * 10_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_nothing_takes_long(expression: str) -> None:
    began = monotonic()
    with pytest.raises(BadArgument) as caught:
        calculate(expression)
    assert monotonic() - began < 1
    assert len(caught.value.message) < 300


@settings(max_examples=300, deadline=1000)
@given(st.text(alphabet="0123456789+-*/%()<>=&|^~., epixaboundsqrtlognm", max_size=60))
def test_any_text_ends_in_a_number_or_a_refusal(text: str) -> None:
    try:
        value = calculate(text)
    except BadArgument:
        return
    assert isinstance(value, int | float)
    assert isinstance(value, int) or math.isfinite(value)
