"""The Tengo language, alone: the vectors, and what they leave out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.tengo_host import TengoError, run

from llmspell import Session
from llmspell.errors import LlmspellError, StepLimit

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parent / "vectors" / "tengo.jsonl").read_text().splitlines()
]

LIMITS = {"exceeding string size limit": 9}
"""Cases made where text is limited to so many bytes; those of the module text to 12."""


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['group']}: {case['source']!r}")
def test_vectors(case: dict[str, Any]) -> None:
    source, modules = case["source"], case.get("modules")
    if case["group"] == "vmerrorunwrap":
        source = source.replace("mod1", "user")  # a module of the host
    if case["kind"] == "run":
        assert run(source, modules) == case["expected"]
        return
    limit = 12 if case["group"] == "stdlib-text" else LIMITS.get(case["expected"], 2**31 - 1)
    with pytest.raises(TengoError) as caught:
        run(source, modules, limit)
    assert (case["expected"] or "") in str(caught.value)


def _run(tmp_path: Path, source: str, **given: Any) -> Any:
    path = tmp_path / "spell.tengo"
    path.write_text(source)
    return asyncio.run(Session(folder=tmp_path, **given).run(path))


PLACES = [
    ("x := 1\ny := x + zzz", "ScriptSyntaxError", "unresolved reference 'zzz' (column 10)", 2),
    ("x := 1\nx := 2", "ScriptSyntaxError", "'x' redeclared in this block (column 1)", 2),
    ("x := (1", "ScriptSyntaxError", "expected ')', found newline", 1),
    ("f := func(a) {\n\treturn a +\n\t\t1\n}\nf({})", "ScriptRuntimeError",
     "invalid operation: map + int", 2),
    ("f := func(a) { return a }\n\nf(1, 2, 3)", "ScriptRuntimeError",
     "wrong number of arguments: want=1, got=3", 3),
    ("a := [1]\na[1] = 2", "ScriptRuntimeError", "index out of bounds", 2),
    ("a := 5\na()", "ScriptRuntimeError", "not callable: int", 2),
    ("f := func(n) { return 1 + f(n) }\nf(1)", "ScriptRuntimeError", "stack overflow", 1),
    ("a := 1\nb := 0\nresult = a / b", "ScriptRuntimeError", "integer divide by zero", 3),
    ('result = error("no luck")', "ScriptRuntimeError", "no luck", None),
    ('x := 1\nfs.read("/nope")', "Denied", "no grant for fs.read", 2),
    ('x := fs.read("/nope")\nresult = x.size', "Denied", "no grant for fs.read", 1),
]  # fmt: skip


@pytest.mark.parametrize(("source", "kind", "message", "line"), PLACES)
def test_errors_say_what_and_where(
    tmp_path: Path, source: str, kind: str, message: str, line: int | None
) -> None:
    """In the words of Tengo, with the line of the Tengo file."""
    with pytest.raises(LlmspellError) as caught:
        _run(tmp_path, source)
    assert type(caught.value).__name__ == kind
    assert message in str(caught.value)
    assert line is None or caught.value.line == line


@pytest.mark.parametrize("name", ["_G", "string", "load", "rawset", "_tengo", "null", "coroutine"])
def test_a_module_reaches_nothing_of_lua(tmp_path: Path, name: str) -> None:
    """The state has them for Lua; the names a program imports are not looked up there."""
    (tmp_path / "m.tengo").write_text(f"export {name}")
    for source in (f'export import("{name}")', 'export import("./m")', f"export {name}"):
        with pytest.raises(LlmspellError):
            _run(tmp_path, source)


def test_a_module_of_the_folder_runs_once(tmp_path: Path) -> None:
    (tmp_path / "counter.tengo").write_text(
        'fmt := import("fmt")\nfmt.println("run")\nexport {n: 41, f: func(x) { return x + 1 }}'
    )
    source = 'a := import("./counter")\nb := import("counter")\nexport a.f(b.n)'
    result = _run(tmp_path, source)
    assert (result.value, result.output) == (42, "run\n")


def test_a_regular_expression_takes_time_by_the_length_of_the_text(tmp_path: Path) -> None:
    """The classic traps: each would take an engine that goes back for ever."""
    source = """
text := import("text")
s := text.repeat("a", 2000)
export [text.re_match("^(a+)+$", s + "b"), text.re_match("(a|aa)*c", s), text.re_match("(a*)*b", s)]
"""
    assert _run(tmp_path, source, limits={"steps": 5_000_000}).value == [False, False, False]


def test_a_limit_is_not_an_error_value(tmp_path: Path) -> None:
    source = "f := func() { for { } }\nx := async(f)\nexport is_error(await(x))"
    with pytest.raises(StepLimit):
        _run(tmp_path, source, limits={"steps": 100_000})
