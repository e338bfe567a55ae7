"""The Tengo language, alone: the vectors, and what they leave out."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
from tests.tengo_host import TengoError, run

from llmspell import Session, run_sync
from llmspell.errors import BadArgument, FileNotFound, LlmspellError, StepLimit

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


def test_the_example_writes_the_report_that_the_one_in_lua_writes(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    document = root / "docs" / "design.md"
    told = []
    for suffix in (".lua", ".tengo"):
        report = tmp_path / f"report{suffix}.md"
        result = run_sync(
            root / "examples" / f"report{suffix}",
            params={"document": str(document), "report": str(report)},
            allow=[f"fs.read:{document}", f"fs.write:{report}"],
            model="test/offline",
        )
        assert result.value["sections"] > 5
        told.append((result.value | {"report": ""}, report.read_text()))
        assert result.output.endswith(f"wrote {report}\n")
    assert told[0] == told[1]


LOST = [
    'fs.read("missing.txt")',
    'a := agent.create()\na.run(5)',
    'f := func() { return fs.read("missing.txt") }\nf()',
    'os := import("os")\nos.remove("missing.txt")',
    'm := {f: func() { return fs.read("missing.txt") }}\nm.f()',
    'async(func() { return fs.read("missing.txt") })',
    'await(async(func() { return fs.read("missing.txt") }))',
    'parallel([func() { return fs.read("missing.txt") }])',
    'promise.resolve(1).next(func() { return fs.read("missing.txt") })',
    'export fs.read("missing.txt")',
    'fs.write("x.txt", fs.read("missing.txt"))',
]  # fmt: skip


@pytest.mark.parametrize("source", LOST)
def test_no_failure_is_lost(tmp_path: Path, source: str) -> None:
    """However a program passes a failure over, the run ends with it and its line."""
    with pytest.raises((FileNotFound, BadArgument)) as caught:
        _run(tmp_path, source)
    made = max(source.rfind("missing"), source.rfind("a.run"), source.rfind("os.remove"))
    assert caught.value.line == source.count("\n", 0, made) + 1


def test_maps_of_any_size_are_shown_in_the_order_of_their_keys(tmp_path: Path) -> None:
    source = """
m := {}
for i := 0; i < 20000; i++ { m["k" + (i * 7919 % 20000)] = 1 }
last := ""
text := import("text")
sorted := true
for part in text.split(string(m), ", ") {
    key := text.split(text.trim(part, "{}"), ":")[0]
    if key < last { sorted = false }
    last = key
}
export [sorted, len(m), last]
"""
    assert _run(tmp_path, source).value == [True, 20000, "k9999"]


def test_a_truth_that_is_an_array_goes_through_a_choice(tmp_path: Path) -> None:
    """An array that two variables know is compared by what it holds; not to the mark for false."""
    source = "a := []\na = append(a, 2, 1)\nb := a[0] < 5 ? a : [a[1]]\nexport b"
    assert _run(tmp_path, source).value == [2, 1]


def test_gamma_and_erf_are_those_of_mathematics(tmp_path: Path) -> None:
    points = [-4.5, -2.2, -0.3, 0.1, 0.5, 1.0, 1.7, 2.0, 2.6, 5.0, 5.5, 11.3, 25.0, 100.5, 170.6]
    source = """
m := import("math")
out := []
for x in params.points { out = append(out, [m.gamma(x), m.erf(x), m.erfc(x)]) }
export out
"""
    path = tmp_path / "spell.tengo"
    path.write_text(source)
    result = run_sync(path, params={"points": points})
    for x, got in zip(points, result.value, strict=True):
        wanted = [math.gamma(x), math.erf(x), math.erfc(x)]
        assert got == pytest.approx(wanted, rel=1e-12, abs=1e-300), x
