"""No input crashes or hangs Tengo's front end, or makes Lua that does not compile; and expressions
come to what a slow evaluator, written for its plainness, says."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lupa import lua54

from llmspell.engines import engine
from llmspell.engines.base import Busy
from llmspell.errors import ScriptSyntaxError
from llmspell.limits import Limits
from llmspell.tengo import TengoSyntaxError, compile_source
from llmspell.values import decode

VECTORS = Path(__file__).parent / "vectors" / "tengo.jsonl"
SOURCES = [json.loads(line)["source"] for line in VECTORS.read_text().splitlines()]
WORDS = [
    "a",
    "b",
    "c",
    "_",
    "x1",
    "for",
    "if",
    "else",
    "func",
    "return",
    "export",
    "import",
    "error",
    "immutable",
    "in",
    "break",
    "continue",
    "true",
    "false",
    "undefined",
    "0",
    "1",
    "2.5",
    "0x7fffffffffffffff",
    '"s"',
    "`r`",
    "'c'",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    "&^",
    "&&",
    "||",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=",
    ":=",
    "+=",
    "-=",
    "*=",
    "++",
    "--",
    "!",
    "?",
    ":",
    ";",
    ",",
    ".",
    "...",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "len",
    "append",
    "(",
    ")",
    "{",
    "}",
    "\n",
    "\n",
]


@cache
def _loader() -> Any:
    lua = lua54.LuaRuntime(encoding=None, register_eval=False)
    return lua.eval(b"function(s) local f, why = load(s, 'x', 't') return why end")


def _compiles(source: str) -> bool:
    """Whether a source is Tengo; fails where what it was made into is not Lua."""
    try:
        code = compile_source(source, "fuzz").code
    except TengoSyntaxError as error:
        assert error.column > 0 and error.line is not None
        return False
    why = _loader()(code.encode())
    # What is too much for Lua's parser is told as an error of the program by the engine.
    if why is not None and not any(
        known in why for known in (b"overflow", b"too many", b"registers", b"limit")
    ):
        raise AssertionError(f"{why.decode()}\n{source}\n{code}")
    return why is None


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
def test_any_words(source: str) -> None:
    _compiles(source)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text(source: str) -> None:
    _compiles(source)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_changed_programs(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(SOURCES))
    at = data.draw(st.integers(0, len(source)))
    cut = data.draw(st.integers(0, 8))
    piece = data.draw(st.sampled_from([*WORDS, data.draw(st.sampled_from(SOURCES))[:60]]))
    _compiles(source[:at] + piece + source[at + cut :])


MANY = {
    "variables": "\n".join(f"v{n} := {n}" for n in range(1000)) + "\nresult := v0 + v999",
    "variables that a function uses": "\n".join(f"v{n} := {n}" for n in range(400))
    + "\nf := func() { return "
    + "+".join(f"v{n}" for n in range(400))
    + " }\nresult := f()",
    "parameters": "f := func("
    + ",".join(f"p{n}" for n in range(300))
    + ") { return p0 + p299 }\nresult := f("
    + ",".join(map(str, range(300))) + ")",
    "arguments of a builtin": "result := len(append([], " + ",".join(map(str, range(600))) + "))",
    "items": "result := len([" + ",".join(map(str, range(5000))) + "])",
    "terms": "x := 1\nresult := " + "+".join(["x"] * 3000),
    "texts": 'x := "a"\nresult := len(' + '+"b"+'.join(["x"] * 1500) + ")",
    "conditions": "x := true\nresult := " + "&&".join(["x"] * 2000),
    "arms": "x := 700\nif x == 0 { result = 0 }"
    + "".join(f" else if x == {n} {{ result = {n} }}" for n in range(1, 800)),
    "continues": "n := 0\nfor i := 0; i < 10; i++ {"
    + "".join(f"if i == 3 {{ continue }}\nx{n} := i\n" for n in range(200))
    + "n += i }\nresult := n",
    "names of the host's": "\n".join(f"x{n} := params.k{n}" for n in range(300)) + "\nresult := 1",
    "blocks": "if true {" * 40 + "result = 1" + "}" * 40,
    "loops with variables": "".join(f"for i{n} in [1] {{ v{n} := i{n}\n" for n in range(40))
    + "result = v0 + v39" + "}" * 40,
    "brackets": "result := " + "(" * 40 + "1" + ")" * 40,
    "calls in calls": "f := func(x) { return x + 1 }\nresult := " + "f(" * 40 + "0" + ")" * 40,
    "functions in functions": "result := " + "func() { return " * 20 + "1" + "}()" * 20,
}  # fmt: skip
RESULTS = {
    "variables": 999,
    "parameters": 299,
    "arguments of a builtin": 600,
    "items": 5000,
    "terms": 3000,
    "texts": 2999,
    "conditions": True,
    "arms": 700,
    "continues": 42,
    "names of the host's": 1,
    "blocks": 1,
    "loops with variables": 2,
    "brackets": 1,
    "calls in calls": 40,
    "functions in functions": 1,
    "variables that a function uses": sum(range(400)),
}


@pytest.mark.parametrize("what", MANY)
def test_what_lua_has_limits_for(what: str) -> None:
    assert _run(MANY[what]) == RESULTS[what]


@pytest.mark.parametrize(
    "source",
    [
        "x := " + "(" * 5000 + "1" + ")" * 5000,
        "x := " + "[" * 5000 + "]" * 5000,
        "x := " + "-" * 5000 + "1",
        "x := " + "!" * 50000 + "true",
        "f := " + "func() { return " * 500 + "1" + "}" * 500,
        "if true {" * 5000 + "}" * 5000,
        "x := a" + ".b" * 5000,
        "x := 1" + "?1:1" * 5000,
        "x := " + "1?" * 5000,
        "x := {" + "a:{" * 2000,
    ],
    ids=lambda source: source[:20],
)
def test_too_deep_is_an_error(source: str) -> None:
    with pytest.raises(ScriptSyntaxError):
        engine("tengo").compile(source, "deep")


# Expressions. -----------------------------------------------------------------------------------


class Wrong(Exception):
    """The expression has no value."""


INTEGERS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "&^": lambda a, b: a & ~b,
}


def _wrap(n: int) -> int:
    return (n + 2**63) % 2**64 - 2**63


def _truth(v: Any) -> bool:
    return bool(v) if not isinstance(v, float) else True


def _text(v: Any) -> str:
    if isinstance(v, bool):
        return "true" if v else "false"
    return str(v)


def _number(v: Any) -> bool:
    return isinstance(v, (int, float)) and not isinstance(v, bool)


def evaluate(tree: Any) -> Any:
    """The value of an expression tree. Raises Wrong."""
    if not isinstance(tree, tuple):
        return tree
    op, *parts = tree
    if op == "?":
        return evaluate(parts[1] if _truth(evaluate(parts[0])) else parts[2])
    left = evaluate(parts[0])
    if op == "not":
        return not _truth(left)
    if op in ("neg", "inv"):
        if not _number(left) or (op == "inv" and not isinstance(left, int)):
            raise Wrong
        return (
            _wrap(-left)
            if isinstance(left, int) and op == "neg"
            else ~left
            if op == "inv"
            else -left
        )
    if op == "&&":
        return evaluate(parts[1]) if _truth(left) else left
    if op == "||":
        return left if _truth(left) else evaluate(parts[1])
    right = evaluate(parts[1])
    if op in ("==", "!="):
        same = left == right and (isinstance(left, bool) == isinstance(right, bool))
        return same == (op == "==")
    if op == "+" and isinstance(left, str):
        return left + _text(right)
    both = isinstance(left, str) and isinstance(right, str)
    if op in ("<", "<=", ">", ">=") and (both or (_number(left) and _number(right))):
        return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]
    if not (_number(left) and _number(right)):
        raise Wrong
    if isinstance(left, float) or isinstance(right, float):
        if op not in ("+", "-", "*"):
            raise Wrong
        return {"+": left + right, "-": left - right, "*": left * right}[op]
    if op in ("/", "%"):
        if right == 0:
            raise Wrong
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return _wrap(quotient) if op == "/" else left - quotient * right
    if op in ("<<", ">>"):
        if right < 0:
            raise Wrong
        return _wrap(left << min(right, 64)) if op == "<<" else left >> min(right, 64)
    return _wrap(INTEGERS[op](left, right))


BINARY = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "&^",
    "<<",
    ">>",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
]
LEAVES = st.one_of(
    st.integers(-9, 9),
    st.integers(0, 2**63 - 1),
    st.sampled_from([0.5, 1.5, -2.25, 1024.5]),
    st.sampled_from(["", "a", "b", "10"]),
    st.booleans(),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(BINARY), inner, inner),
        st.tuples(st.sampled_from(["not", "neg", "inv"]), inner),
        st.tuples(st.just("?"), inner, inner, inner),
    ),
    max_leaves=12,
)
SIGNS = {"not": "!", "neg": "-", "inv": "^"}


def write(tree: Any, names: list[Any]) -> str:
    """A tree as source; leaves are variables, which a function is given, or stand there."""
    if isinstance(tree, tuple):
        op, *parts = tree
        texts = [write(part, names) for part in parts]
        if op == "?":
            return f"({texts[0]} ? {texts[1]} : {texts[2]})"
        return f"({SIGNS[op]}{texts[0]})" if op in SIGNS else f"({texts[0]} {op} {texts[1]})"
    names.append(tree)
    if len(names) % 2:
        return f"v{len(names)}"
    return _leaf(tree)


def _leaf(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    text = _text(value)
    return f"({text})" if text.startswith("-") else text


def _run(source: str) -> Any:
    vm = engine("tengo")
    isolate = vm.isolate({}, Limits(steps=50_000_000))
    answer = isolate.run(1, vm.compile(source, "fuzz"), b"{}")
    while isinstance(answer, Busy):
        answer = isolate.proceed()
    isolate.close()
    ended = answer.ended[0]
    if ended.error is not None:
        raise Wrong(str(ended.error))
    return decode(ended.value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, st.sampled_from(["known", "unknown", "captured", "handed"]))
def test_expressions(tree: Any, how: str) -> None:
    leaves: list[Any] = []
    text = write(tree, leaves)
    used = [(f"v{n + 1}", value) for n, value in enumerate(leaves) if n % 2 == 0]
    defined = "\n".join(f"{name} := {_leaf(value)}" for name, value in used)
    if how == "known":
        source = f"{defined}\nresult := {text}"
    elif how == "captured":
        source = f"{defined}\nf := func() {{ return {text} }}\nresult := f()"
    else:
        names, values = ",".join(n for n, _ in used), ",".join(_leaf(v) for _, v in used)
        made = f"func({names}) {{ return {text} }}"
        source = f"f := {made}\nresult := f({values})"
        if how == "handed":  # where nothing is known of what it gets
            source = f"m := {{f: {made}}}\nresult := m.f({values})"
    try:
        wanted = evaluate(tree)
    except Wrong:
        wanted = Wrong
    try:
        got = _run(source)
    except Wrong as error:
        assert wanted is Wrong, f"{source}\n{error}\nwanted {wanted!r}"
        return
    if wanted is Wrong and any(isinstance(leaf, float) for leaf in leaves):
        return  # division of floats is left out of the evaluator
    assert (type(got), got) == (type(wanted), wanted), source
