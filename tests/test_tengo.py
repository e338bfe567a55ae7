"""The Tengo language, alone: the vectors, and what they leave out."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from tests.tengo_host import TengoError, run

from llmspell import ChunkCache, Session, run_sync
from llmspell.engines import engine
from llmspell.errors import (
    BadArgument,
    FileNotFound,
    LlmspellError,
    ScriptRuntimeError,
    ScriptSyntaxError,
    StepLimit,
)

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parent / "vectors" / "tengo.jsonl").read_text().splitlines()
]

LIMITS = {
    "exceeding string size limit": 9,
    "exceeding bytes size limit": 10,
    "bytes size limit": 10,
}
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
    ("f := func(a) {\n\treturn [a < {}]\n}\nf(1)", "ScriptRuntimeError",
     "invalid operation: int < map", 2),
    ("f := func(a) {\n\treturn [a >= {}]\n}\nf(1)", "ScriptRuntimeError",
     "invalid operation: int >= map", 2),
    ("a := {}\na.a = a\n\ncopy(a)", "ScriptRuntimeError", "nested too deep to be copied", 4),
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


IMPORTS = [
    ('1\n  import("left")', {"left": 'import("right")', "right": '\nx := import("left")'},
     "Compile Error: cyclic module import: left\n\tat right:2:6"),
    ('import("a")', {"a": 'import("b")', "b": 'import("c")', "c": 'func() { import("b") }'},
     "Compile Error: cyclic module import: b\n\tat c:1:10"),
    ('import("self")', {"self": 'export import("self")'},
     "Compile Error: cyclic module import: self\n\tat self:1:8"),
    ('x := [import("nowhere")]', {}, "Compile Error: module 'nowhere' not found\n\tat test:1:7"),
    ('if false { import("a") }', {"a": 'import("nowhere")'},
     "Compile Error: module 'nowhere' not found\n\tat a:1:1"),
    ('x := 1\nimport("a")', {"a": "export 1 + x"},
     "Compile Error: unresolved reference 'x'\n\tat a:1:12"),
    ('import("a")', {"a": "func() {\n  func() { export 5 }()\n}()"},
     "Compile Error: export not allowed inside function\n\tat a:2:12"),
    ('f := import("a")\nf(0)', {"a": "export func(n) {\n  return n - {}\n}"},
     "Runtime Error: invalid operation: int - map\n\tat a:2:10\n\tat test:2:1"),
    ('f := import("a")\ng := func() { f(5) }\ng()', {"a": "export func(n) {\n  n()\n}"},
     "Runtime Error: not callable: int\n\tat a:2:3\n\tat test:2:15\n\tat test:3:1"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "modules", "told"), IMPORTS)
def test_errors_of_modules_have_their_places(
    source: str, modules: dict[str, str], told: str
) -> None:
    with pytest.raises(TengoError) as caught:
        run(source, modules)
    assert told in str(caught.value)


@pytest.mark.parametrize("isolation", [None, "process"])
def test_a_module_has_all_it_names_before_it_runs(tmp_path: Path, isolation: str | None) -> None:
    (tmp_path / "m.tengo").write_text('fs.write("x", "y")\nexport [\n  1, zzz]')
    with pytest.raises(ScriptRuntimeError) as caught:
        _run(tmp_path, 'x := 1\nimport("m")', isolation=isolation)
    assert "cannot load module 'm'" in str(caught.value)
    assert "m.tengo:3: unresolved reference 'zzz' (column 6)" in str(caught.value)
    assert caught.value.line == 2


@pytest.mark.parametrize("source", ["x := 0x1p99999", "x := 0x" + "f" * 300 + ".8p1"])
def test_a_float_beyond_what_there_is_is_an_error_of_the_program(source: str) -> None:
    with pytest.raises(ScriptSyntaxError, match="value out of range"):
        run_sync(source, engine="tengo")


ROWS = [
    ("export " + "+".join(["a_rather_long_number"] * 45_000), None),
    ("if " + "&&".join(["a_rather_long_number"] * 45_000) + " {}", "the program is too large"),
    ("export " + "/".join(["a_rather_long_number"] * 45_000), "more than 150 operators in a row"),
    (
        "s := `x`\nexport s+" + "+".join(["`long text`"] * 45_000),
        "more than 150 operators in a row",
    ),
]


@pytest.mark.parametrize(("row", "complaint"), ROWS, ids=["sum", "and", "quotient", "text"])
def test_a_row_of_operators_takes_time_by_its_length(row: str, complaint: str | None) -> None:
    source = "a_rather_long_number := 1\n" + row
    began = time.monotonic()
    if complaint is None:
        assert engine("tengo").compile(source, "spell").code
    else:
        with pytest.raises(ScriptSyntaxError, match=complaint) as caught:
            engine("tengo").compile(source, "spell")
        if "row" in complaint:  # of Lua's own bounds, only some have a line
            assert caught.value.frames[0].line == source.count("\n") + 1
    assert time.monotonic() - began < 2  # it took ten times as long


@pytest.mark.parametrize("op", ["+", "*", "/", "%", "<<", "&^", "==", "&&", "||"])
def test_a_row_of_operators_is_worked_out_from_the_left(op: str) -> None:
    source = f"x := 1\ny := x{f' {op} x' * 140}\nz := x\n"
    step = f"for i := 0; i < 140; i++ {{ z = z {op} x }}"
    assert run_sync(f"{source}{step}\nexport y == z", engine="tengo").value is True


def test_what_is_not_closed_is_looked_for_once() -> None:
    began = time.process_time()
    with pytest.raises(ScriptSyntaxError, match="comment not terminated"):
        run_sync("/* " * 60_000, engine="tengo")
    assert time.process_time() - began < 10  # looked for from each, it takes minutes


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


def test_an_error_has_the_stack_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Innermost first, with the file of each: names and lines of the source."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner.tengo").write_text(
        "// a line\nexport {\n    fail: func(a) {\n        return [a[0] + 1]\n    }\n}\n"
    )
    source = """
inner := import("inner")
middle := func(x) {
    y := inner.fail(x)
    return y
}
outer := func() { return [middle(["a", 1])[0], middle([{}])] }

z := [outer()]
"""
    Path("spell.tengo").write_text(source)
    with pytest.raises(LlmspellError) as caught:
        run_sync("spell.tengo")
    assert caught.value.message == "invalid operation: map + int"
    frames = [(Path(f.file).name, f.line) for f in caught.value.frames]
    assert frames == [
        ("inner.tengo", 4),
        ("spell.tengo", 4),
        ("spell.tengo", 7),
        ("spell.tengo", 9),
    ]


RESULTS = [
    ("result := 5", 5),
    ("result = 5", 5),
    ("result = 5\nexport 6", 6),
    ("if true { result := 7 }", None),
    ("f := func() { result = 8 }\nf()", 8),
    ("x := 5", None),
]


@pytest.mark.parametrize(("source", "wanted"), RESULTS)
def test_the_result_is_what_is_exported_or_the_variable(
    tmp_path: Path, source: str, wanted: Any
) -> None:
    assert _run(tmp_path, source).value == wanted


def test_a_module_is_immutable_and_may_not_import_itself(tmp_path: Path) -> None:
    (tmp_path / "m.tengo").write_text("export {n: 1}")
    with pytest.raises(LlmspellError, match="not index-assignable: immutable-map"):
        _run(tmp_path, 'm := import("m")\nm.n = 2')
    (tmp_path / "a.tengo").write_text('b := import("b")\nexport b')
    (tmp_path / "b.tengo").write_text('a := import("a")\nexport a')
    with pytest.raises(LlmspellError, match=r"(?s)a.*b"):
        _run(tmp_path, 'a := import("a")')


def test_tail_calls_do_not_grow_the_stack(tmp_path: Path) -> None:
    """Of a function itself, of two of each other, and of one that is a value; in little memory."""
    source = """
count := func(n, sum) {
    if n == 0 { return sum }
    return count(n - 1, sum + n)
}
odd := undefined
even := func(n) { if n == 0 { return true }; return odd(n - 1) }
odd = func(n) { if n == 0 { return false }; return even(n - 1) }
m := {f: func(self, n) { return n == 0 ? "done" : self.f(self, n - 1) }}
m.g = func(self, n) {
    if n == 0 { return "done" }
    return self.g(self, n - 1)
}
export [count(300000, 0), even(300001), m.g(m, 300000)]
"""
    value = _run(tmp_path, source, limits={"memory": 8_000_000}).value
    assert value == [300000 * 300001 // 2, False, "done"]


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


def test_as_many_choices_in_a_row_as_a_program_has(tmp_path: Path) -> None:
    """Each side is worked out once, from left to right, until one decides."""
    either = " || ".join(f"said({i}, m.a{i})" for i in range(500))
    both = " && ".join(f"said({i}, n[{i}])" for i in range(500))
    source = f"""
heard := []
said := func(i, v) {{ heard = append(heard, i); return v }}
m := {{a400: "found"}}
n := range(1, 501)
n[300] = ""
export [{either}, {both}, heard]
"""
    assert _run(tmp_path, source).value == ["found", "", [*range(401), *range(301)]]


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


WORTH = {
    '0': False, '1': True, '-1': True, '0.0': True, '1.5': True, 'zero / 0.0': False,
    '""': False, '"0"': True, 'true': True, 'false': False, 'undefined': False, "'a'": True,
    'char(0)': False, '[]': False, '[0]': True, '{}': False, '{a: 0}': True,
    'immutable([])': False, 'immutable([1])': True, 'immutable({})': False,
    'immutable({a: 1})': True, 'bytes("")': False, 'bytes("a")': True, 'error(1)': False,
    'time(0)': True, 'func() {}': True, 'len': True,
}  # fmt: skip


@pytest.mark.parametrize("value", WORTH)
def test_what_is_taken_for_true(tmp_path: Path, value: str) -> None:
    """The same where the compiler knows what a value is, and where it can only ask."""
    source = f"""
zero := 0.0
known := {value}
told := func(v, m) {{
    out := []
    if v {{ out = append(out, 1) }} else {{ out = append(out, 0) }}
    out = append(out, v ? 1 : 0, !v ? 0 : 1, v && 1 ? 1 : 0)
    w := v || "other"
    x := m.v || "other"
    out = append(out, is_string(w) && w == "other" ? 0 : 1, is_string(x) && x == "other" ? 0 : 1)
    n := 0
    for v {{
        n = 1
        break
    }}
    return append(out, n)
}}
handed := [told]
export [known ? 1 : 0, told(known, {{v: known}}), handed[0](known, {{v: known}})]
"""
    n = int(WORTH[value])
    assert _run(tmp_path, source).value == [n, [n] * 7, [n] * 7]


ARRAYS = {
    "handed over": (
        "make := func(n) {\n a := []\n for i := 0; i < n; i++ { a = append(a, i * 2) }\n"
        " return a }\n"
        "x := make(3)\ny := x\nx = append(x, 9)\nexport [x, y]",
        [[0, 2, 4, 9], [0, 2, 4]],
    ),
    "kept by a function within": (
        "f := func() {\n a := []\n get := func() { return a }\n a = append(a, 1)\n b := get()\n"
        " a = append(a, 2)\n return [a, b] }\nexport f()",
        [[1, 2], [1]],
    ),
    "grown by what is appended": (
        "a := [0]\nf := func() { a = append(a, 7)\n return 8 }\na = append(a, f())\nexport a",
        [0, 8],
    ),
    "grown from nothing by what is appended": (
        "a := []\nf := func() { a = append(a, 7)\n return a }\nb := [append(a, 1, f())]\n"
        "a = append(a, 2, len(f()))\nexport [a, b]",
        [[7, 2, 2], [[1, [7]]]],
    ),
    "grown by a function within": (
        "a := []\nadd := func(v) { a = append(a, v) }\nadd(1)\nadd(2)\nb := a\nadd(3)\n"
        "export [a, b]",
        [[1, 2, 3], [1, 2]],
    ),
    "of a loop": (
        "all := []\nfor i := 0; i < 2; i++ {\n a := []\n"
        " for j := 0; j < 2; j++ { a = append(a, j) }\n"
        " all = append(all, a)\n a = append(a, 5) }\nexport all",
        [[0, 1], [0, 1]],
    ),
    "a parameter": (
        "f := func(a) { a = append(a, 1)\n return a }\nb := [0]\nexport [f(b), f([5]), b]",
        [[0, 1], [5, 1], [0]],
    ),
    "parameters of a function that is a value": (
        "m := {f: func(a, b) {\n for i := 0; i < 3; i++ {\n a = append(a, i)\n b = append(b, a) }\n"
        " return [a, b] }}\nx := [9]\nexport [m.f(x, []), x]",
        [[[9, 0, 1, 2], [[9, 0], [9, 0, 1], [9, 0, 1, 2]]], [9]],
    ),
    "a parameter that is emptied": (
        "m := {f: func(a) {\n a = append(a, 1)\n a = append(a, 2)\n splice(a, 0)\n"
        " a = append(a, 3)\n a = append(a, 4)\n return a }}\nexport m.f([0])",
        [3, 4],
    ),
    "one item after another": (
        "a := []\na = append(a, a)\na = append(a, len(a))\nexport a", [[], 1],
    ),
    "gone through while it grows": (
        "a := [1]\nn := 0\nfor v in a {\n a = append(a, v)\n n += v }\n"
        "for i := 0; i < len(a); i++ { if i < 3 { a = append(a, 2) } }\nexport [n, len(a)]",
        [1, 5],
    ),
    "counted from below zero": (
        "a := []\nn := 0\nfor i := -2; i < len(a); i++ { n++ }\nb := [1]\n"
        "for i := -2; i < len(b); i++ { n++ }\nexport n",
        5,
    ),
    "holding false": (
        "n := 0\nfor v in [false, true, false] { n++ }\nm := [false]\nfor k, v in m { n += 10 }\n"
        "for k, v in {a: false} { n += 100 }\nexport n",
        113,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ARRAYS)
def test_an_array_that_grows_in_place_is_nobody_elses(tmp_path: Path, what: str) -> None:
    source, wanted = ARRAYS[what]
    assert _run(tmp_path, source).value == wanted


BEYOND = [
    "f := func() {\n a := []\n a = append(a, 1)\n return append(a, 2) }\nb := f()\nb[2] = 1",
    "f := func() {\n a := []\n a = append(a, 1)\n return a }\nb := f()\nb[1] = 1",
    "a := []\na = append(a, 1)\na = append(a, 2)\nb := a\nb[2] = 1",
    "a := []\na = append(a, 1)\na = append(a, 2)\nf := func() { a[2] = 1 }\nf()",
    "a := []\na = append(a, [1])\na[0][1] = 1",
    "a := []\na = append(a, 1)\nm := {a: a}\na = append(a, 2)\nm.a[1] = 1",
    "a := range(0, 2)\na = append(a, 1)\nf := func(x) { x[3] = 1 }\nf(a)",
    "a := []\na = append(a, 1)\nf := func(x) { x = append(x, 3)\n return x }\nb := f(a)\nb[2] = 1",
]


@pytest.mark.parametrize("source", BEYOND)
def test_nothing_is_assigned_beyond_the_end_of_an_array(tmp_path: Path, source: str) -> None:
    with pytest.raises(LlmspellError, match="index out of bounds"):
        _run(tmp_path, source)


CALLS = [
    ("f := func(x) { return x }\nf()", "want=1, got=0"),
    ("f := func(x) { return x }\ng := f(1)\nf(1, false)", "want=1, got=2"),
    ("f := func() { return 1 }\nf(false)", "want=0, got=1"),
    ("f := func(x) { return x }\nf([1, 2]...)", "want=1, got=2"),
    ("f := func(x) { return x }\nf(1)\ng := f\ng(1, 2)", "want=1, got=2"),
    ("f := func(x) { return x }\nm := {f: f}\nm.f()", "want=1, got=0"),
    ("f := func(x, ...y) { return x }\nf()", "want>=1, got=0"),
    ("f := func(g) { return g(1) }\nf(func() { return 1 })", "want=0, got=1"),
    ("f := func(x) { return x }\nf(1)\nf = func() { return 1 }\nf(1)", "want=0, got=1"),
    ("result = func(x) { return x }\nresult()", "want=1, got=0"),
]


@pytest.mark.parametrize(("source", "message"), CALLS, ids=[source for source, _ in CALLS])
def test_every_call_has_its_arguments_counted(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(LlmspellError, match=f"wrong number of arguments: {message}"):
        _run(tmp_path, source)


def test_false_is_an_argument(tmp_path: Path) -> None:
    source = """
f := func(x, y) { return [x, y] }
g := func(x, ...y) { return [x, y] }
m := {f: f, g: g}
export [f(1, false), m.f(false, false), g(false), m.g(false, false)]
"""
    wanted = [[1, False], [False, False], [False, []], [False, [False]]]
    assert _run(tmp_path, source).value == wanted


def test_what_is_known_of_a_count_is_not_taken_for_another_of_its_name(tmp_path: Path) -> None:
    """Counts from 0 up are divided without a look at the sign."""
    source = """
out := []
for i := 0; i < 3; i++ { out = append(out, i % 2, i / 2) }
f := func(i) { return [i % 7, i / 7] }
for i := -8; i < -6; i++ { out = append(out, i % 7, i / 7) }
i := 1
for n := 0; n < 64; n++ { i = i + i }
j := 1
for n := 0; n < 63; n++ { j = j + (j + 0) }
export [out, f(-9), i, j % 7]
"""
    wanted = [[0, 0, 1, 0, 0, 1, -1, -1, 0, -1], [-2, -1], 0, -(2**63 % 7)]
    assert _run(tmp_path, source).value == wanted


def test_a_variable_that_is_used_before_it_has_a_value_is_undefined(tmp_path: Path) -> None:
    source = """
early := func(f) { f(); return 1 }
seen := [5]
x := early(func() { seen = append(seen, x ? "set" : "unset", is_undefined(x)) })
export [seen, x]
"""
    assert _run(tmp_path, source).value == [[5, "unset", True], 1]


def test_what_functions_give_is_known_however_they_call_each_other(tmp_path: Path) -> None:
    """Kinds go through calls and parameters; one float among the ints is enough to know nothing."""
    source = """
twice := func(n) { return n * 2 }
half := func(n) { if n > 100 { return 0.5 }; return n % 3 }
text := func(n) { return "n" + n }
none := func() { }
odd := undefined
even := func(n) { return n == 0 ? true : odd(n - 1) }
odd = func(n) { return n == 0 ? false : even(n - 1) }
export [twice(-4) % 3, half(101), half(-8) % 2, text(1) + 2, is_undefined(none()), even(9),
    twice(3) ? 1 : 0, text("") ? 1 : 0, twice(1.5)]
"""
    assert _run(tmp_path, source).value == [-2, 0.5, 0, "n12", True, False, 1, 1, 3.0]


def test_the_compiled_form_is_kept_signed_and_nothing_else_is_run(tmp_path: Path) -> None:
    """A large program is found on disk; one that somebody changed there is compiled anew."""
    vm, folder = engine("tengo"), tmp_path / "cache"
    source = "// padding\n" * 4000 + "export 7"
    made = ChunkCache(folder=folder).compile(vm, source, "spell.tengo")
    (kept,) = [file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 1000]
    found = ChunkCache(folder=folder)
    assert found.compile(vm, source, "spell.tengo") == made
    assert (found.statistics.hits, found.statistics.misses) == (1, 0)
    data = kept.read_bytes()
    at = data.rindex(b"7")
    kept.write_bytes(data[:at] + b"8" + data[at + 1 :])
    anew = ChunkCache(folder=folder)
    assert anew.compile(vm, source, "spell.tengo") == made
    assert (anew.statistics.hits, anew.statistics.misses) == (0, 1)
