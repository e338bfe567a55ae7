"""In which order Tengo works things out, where functions change the variables of what is around."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable

import pytest
from tests.tengo_host import run

Value = tuple[str, Callable[[], int]]
"""A piece of a program, and what it does and comes to."""

WORKS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
ASKS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
SETUP = """
a := 1; b := 2; xs := [3, 4]
up := func() { a += 3; return a }
swap := func() { b = a - b; return b }
put := func(v) { xs[0] = v + b; a = v; return xs[0] }
"""
FORMS = {
    "variables of the program": SETUP + "%s\nout = [a, b, xs[0], xs[1]]",
    "of a function": "out = func() {" + SETUP + "%s\nreturn [a, b, xs[0], xs[1]] }()",
    "of one around": "out = func() {"
    + SETUP
    + "go := func() {\n%s\n}\ngo()\nreturn [a, b, xs[0], xs[1]] }()",
}


def wrap(n: int) -> int:
    return (n + 2**63) % 2**64 - 2**63


class Maker:
    """Makes statements from a seed and does them: values first, from left to right."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.a, self.b, self.xs = 1, 2, [3, 4]

    def up(self) -> int:
        self.a = wrap(self.a + 3)
        return self.a

    def swap(self) -> int:
        self.b = wrap(self.a - self.b)
        return self.b

    def put(self, value: int) -> int:
        self.xs[0], self.a = wrap(value + self.b), value
        return self.xs[0]

    def value(self, depth: int = 0) -> Value:
        kinds = [self.leaf, self.act, self.given, self.item, self.worked, self.worked, self.asked]
        return self.pick.choice(kinds if depth < 4 else kinds[:2])(depth + 1)

    def leaf(self, depth: int) -> Value:
        return self.pick.choice(
            [
                ("a", lambda: self.a),
                ("b", lambda: self.b),
                ("+a", lambda: self.a),
                ("xs[0]", lambda: self.xs[0]),
                ("7", lambda: 7),
            ]
        )

    def act(self, depth: int) -> Value:
        return self.pick.choice([("up()", self.up), ("swap()", self.swap)])

    def given(self, depth: int) -> Value:
        text, of = self.value(depth)
        return f"put({text})", lambda: self.put(of())

    def item(self, depth: int) -> Value:
        text, of = self.value(depth)
        return f"xs[{text} & 1]", lambda: self.xs[of() & 1]

    def worked(self, depth: int) -> Value:
        op, (left, x), (right, y) = self.pick.choice([*WORKS]), self.value(depth), self.value(depth)
        return f"({left} {op} {right})", lambda: wrap(WORKS[op](x(), y()))

    def asked(self, depth: int) -> Value:
        op, (left, x), (right, y) = self.pick.choice([*ASKS]), self.value(depth), self.value(depth)

        def ask() -> int:
            return 1 if ASKS[op](x(), y()) else 0

        return f"({left} {op} {right} ? 1 : 0)", ask

    def statement(self) -> str:
        (text, of), (key_text, key) = self.value(), self.value(2)
        match self.pick.randrange(5):
            case 0:
                self.a = of()
                return f"a = {text}"
            case 1:
                self.b = wrap(self.b + of())
                return f"b += {text}"
            case 2:
                made = of()
                self.xs[key() & 1] = made
                return f"xs[{key_text} & 1] = {text}"
            case 3:
                made = wrap(self.xs[key() & 1] - of())
                self.xs[key() & 1] = made
                return f"xs[{key_text} & 1] -= {text}"
            case _:
                self.xs[1] = of()
                return f"xs[1] = {text}"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(150))
def test_programs_at_random(seed: int, form: str) -> None:
    maker = Maker(seed)
    steps = "\n".join(maker.statement() for _ in range(6))
    told = run(FORMS[form] % steps)
    found = [int(item["v"]) for item in told["v"]]
    assert found == [maker.a, maker.b, *maker.xs], steps
