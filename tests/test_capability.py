"""Declarations: complete or refused with all their mistakes; and the catalogue they make."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llmspell import bridges, policy
from llmspell.capability import (
    CATALOGUE,
    HANDLES,
    NO_DEFAULT,
    Capability,
    DeclarationError,
    capability,
    handle,
)
from llmspell.host.context import Context
from llmspell.runtime.catalogue import CATALOGUE as LIVE
from llmspell.typespec import HANDLE_KINDS, Misfit
from llmspell.values import Handle

BRIDGES = Path(bridges.__file__).parent
CAPABILITIES = dict(LIVE)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Takes back what a test declares."""
    tables: list[dict[Any, Any]] = [CATALOGUE, HANDLES, HANDLE_KINDS]
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


@dataclass(frozen=True)
class Options:
    """How to do it.

    loud: whether to shout.
    """

    loud: bool = False


class Robot:
    """A machine."""

    def resolve(self, handle: Handle) -> Any:
        raise AssertionError(f"{handle.kind} was not to be resolved")


RUN = Robot()


def greet(ctx: Context, name: str, times: int = 1, options: Options = Options()) -> str:
    """Greets somebody.

    It says their name.

    name: who.
    times: how often.
    options: how.
    returns: the greeting.
    """
    return name * times


def mistakes(name: str, function: Callable[..., Any], **options: Any) -> list[str]:
    """What a declaration is refused for."""
    with pytest.raises(DeclarationError) as caught:
        capability(name, since="0.1", **options)(function)
    assert name not in CATALOGUE or CATALOGUE[name].function is not function
    head, _, told = str(caught.value).partition(": ")
    assert head == name
    return told.split("; ")


# One declaration. ---------------------------------------------------------------------------------


def test_a_declaration_is_one_record() -> None:
    assert capability("test.greet", since="0.3", needs="env:{name}", tool="greet")(greet) is greet
    item = CATALOGUE["test.greet"]
    assert (item.name, item.namespace, item.verb) == ("test.greet", "test", "greet")
    assert (item.doc, item.since) == ("Greets somebody.\n\nIt says their name.", "0.3")
    assert (item.needs, item.kind, item.resource) == ("env:{name}", "env", 0)
    assert [p.name for p in item.params] == ["name", "times", "options"]
    assert [p.doc for p in item.params] == ["who.", "how often.", "how."]
    assert [p.required for p in item.params] == [True, False, False]
    assert [p.default for p in item.params] == [NO_DEFAULT, 1, Options()]
    assert (item.returns.describe, item.returns_doc) == ("a string", "the greeting.")
    assert (item.method_of, item.gives, item.alias, item.tool) == ("", "", "", "greet")
    assert (item.is_async, item.oneway, item.function) == (False, False, greet)


def test_the_resource_is_the_parameter_that_needs_names() -> None:
    def read(ctx: Context, first: int, path: str) -> None:
        """Reads.

        first: where to start.
        path: what to read.
        """

    capability("test.read", since="0.1", needs="fs.read:{path}")(read)
    capability("test.read_all", since="0.1", needs="fs.read")(read)
    capability("test.free", since="0.1")(read)
    found = [
        (CATALOGUE[n].kind, CATALOGUE[n].resource)
        for n in ("test.read", "test.read_all", "test.free")
    ]
    assert found == [("fs.read", 1), ("fs.read", -1), ("", -1)]


def test_an_async_function_is_known_as_one() -> None:
    async def wait(ctx: Context) -> None:
        """Waits."""

    capability("test.wait", since="0.1")(wait)
    assert CATALOGUE["test.wait"].is_async


def test_a_capability_whose_first_parameter_is_a_handle_is_a_method() -> None:
    handle("robot", iterate="next", close="stop")(Robot)

    def build(ctx: Context, name: str) -> Robot:
        """Builds.

        name: its name.
        returns: the robot.
        """
        return Robot()

    def walk(ctx: Context, robot: Robot, steps: int) -> int:
        """Walks.

        robot: the robot.
        steps: how far.
        returns: how far it got.
        """
        return steps

    def meet(ctx: Context, name: str, robot: Robot) -> None:
        """Meets.

        name: whom.
        robot: the robot.
        """

    for function in (build, walk, meet):
        # Annotations of functions within a function do not see its names, only the module's.
        capability(f"robot.{function.__name__}", since="0.1")(function)
    found = {v: (CATALOGUE[v].method_of, CATALOGUE[v].gives) for v in CATALOGUE if "robot." in v}
    assert found == {"robot.build": ("", "robot"), "robot.walk": ("robot", ""),
                     "robot.meet": ("", "")}  # fmt: skip
    assert (HANDLES["robot"].iterate, HANDLES["robot"].close) == ("next", "stop")
    assert HANDLES["robot"].doc == "A machine."
    assert HANDLES["robot"].cls is Robot
    assert HANDLE_KINDS[Robot] == "robot"


def test_the_schema_is_that_of_one_object() -> None:
    capability("test.greet", since="0.1")(greet)
    assert CATALOGUE["test.greet"].schema() == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "who."},
            "times": {"type": "integer", "description": "how often."},
            "options": {
                "type": "object",
                "properties": {"loud": {"type": "boolean", "description": "whether to shout."}},
                "required": [],
                "additionalProperties": False,
                "description": "how.",
            },
        },
        "required": ["name"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("args", "fitted"),
    [
        (["x"], ["x", 1, Options()]),
        (["x", 2.0], ["x", 2, Options()]),
        (["x", None, {"loud": True}], ["x", 1, Options(True)]),
        (["x", 3, None], ["x", 3, Options()]),
    ],
)
def test_arguments_fit(args: list[Any], fitted: list[Any]) -> None:
    capability("test.greet", since="0.1")(greet)
    assert CATALOGUE["test.greet"].fit(args, RUN) == fitted


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "name is missing: it must be a string"),
        ([None], "name must be a string, got nothing"),
        ([1], "name must be a string, got number"),
        (["x", "y"], "times must be an integer, got string"),
        (["x", 1, {"lound": True}], "options.lound is not known; did you mean loud?"),
        (["x", 1, {}, 4, 5], "takes at most 3 arguments, got 5"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: list[Any], said: str) -> None:
    capability("test.greet", since="0.1")(greet)
    with pytest.raises(Misfit) as caught:
        CATALOGUE["test.greet"].fit(args, RUN)
    assert str(caught.value) == said


def test_too_many_arguments_are_counted_in_good_english() -> None:
    def one(ctx: Context, name: str) -> None:
        """Takes one.

        name: the one.
        """

    def none(ctx: Context) -> None:
        """Takes none."""

    capability("test.one", since="0.1")(one)
    capability("test.none", since="0.1")(none)
    with pytest.raises(Misfit, match=r"^takes at most 1 argument, got 2$"):
        CATALOGUE["test.one"].fit([1, 2], RUN)
    with pytest.raises(Misfit, match=r"^takes at most 0 arguments, got 1$"):
        CATALOGUE["test.none"].fit([1], RUN)


# Refused declarations. ----------------------------------------------------------------------------


def test_all_mistakes_are_in_one_error() -> None:
    def bad(first, second: str, third: complex, fourth: int):  # type: ignore[no-untyped-def]
        """

        third: it is there.
        fifth: it is not.
        """

    assert sorted(mistakes("bad", bad, needs="env:{name}")) == sorted(
        [
            "has no description",
            "must take ctx as its first parameter",
            "parameter second is undocumented",
            "third: <class 'complex'> is not a type that can cross",
            "parameter fourth is undocumented",
            "documents fifth, which it does not take",
            "has no result type",
            "must be named namespace.verb",
            "needs 'env:{name}', which names no parameter",
        ]
    )


def test_a_parameter_must_be_typed() -> None:
    def bad(ctx: Context, name, other: int) -> None:  # type: ignore[no-untyped-def]
        """Does.

        name: it.
        other: that.
        """

    assert mistakes("test.bad", bad) == ["parameter name is untyped"]


def test_an_untyped_parameter_must_be_documented_too() -> None:
    def bad(ctx: Context, name) -> None:  # type: ignore[no-untyped-def]
        """Does."""

    assert mistakes("test.bad", bad) == [
        "parameter name is untyped",
        "parameter name is undocumented",
    ]


def test_a_parameter_must_be_documented() -> None:
    def bad(ctx: Context, name: str, other: int) -> None:
        """Does.

        other: that.
        """

    assert mistakes("test.bad", bad) == ["parameter name is undocumented"]


def test_what_is_documented_must_be_there() -> None:
    def bad(ctx: Context, name: str) -> None:
        """Does.

        name: it.
        nam: it.
        """

    assert mistakes("test.bad", bad) == ["documents nam, which it does not take"]


def test_a_result_must_be_typed_and_documented() -> None:
    def untyped(ctx: Context):  # type: ignore[no-untyped-def]
        """Does."""

    def undocumented(ctx: Context) -> str:
        """Does."""
        return ""

    def unfit(ctx: Context) -> set[str]:
        """Does.

        returns: it.
        """
        return set()

    assert mistakes("test.bad", untyped) == ["has no result type"]
    assert mistakes("test.bad", undocumented) == ["does not document what it returns"]
    assert mistakes("test.bad", unfit) == ["result: set[str] is not a type that can cross"]


def test_a_capability_must_be_described() -> None:
    def bare(ctx: Context) -> None:
        pass

    def entries(ctx: Context, name: str) -> None:
        """name: it."""

    assert mistakes("test.bad", bare) == ["has no description"]
    assert mistakes("test.bad", entries) == ["has no description"]


def test_a_namespace_may_be_in_another() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmspell.capability.CATALOGUE", made := {})
        capability("outer.inner.greet", since="0.1")(greet)
    item = made["outer.inner.greet"]
    assert (item.namespace, item.verb) == ("outer.inner", "greet")


@pytest.mark.parametrize("name", ["greet", "a.b.c.d", ""])
def test_a_name_is_namespace_and_verb(name: str) -> None:
    assert mistakes(name, greet) == ["must be named namespace.verb"]


@pytest.mark.parametrize("name", [".", "a.", ".b", "a b.c", "1.2", "a.b-c", "a.b\t"])
def test_the_parts_of_a_name_are_identifiers(name: str) -> None:
    assert mistakes(name, greet) == ["must be named namespace.verb"]


def test_needs_names_a_parameter() -> None:
    assert mistakes("test.greet", greet, needs="env:{who}") == [
        "needs 'env:{who}', which names no parameter"
    ]
    assert mistakes("test.greet", greet, needs="env:{ctx}") == [
        "needs 'env:{ctx}', which names no parameter"
    ]


def test_the_context_comes_first() -> None:
    def none() -> None:
        """Does."""

    def other(context: Context) -> None:
        """Does."""

    assert mistakes("test.bad", none) == ["must take ctx as its first parameter"]
    assert mistakes("test.bad", other) == ["must take ctx as its first parameter"]


def test_an_annotation_that_does_not_resolve_is_named() -> None:
    def bad(ctx: Context, name: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Does.

        name: it.
        """

    (told,) = mistakes("test.bad", bad)
    assert told == "has an annotation that does not resolve: name 'Missing' is not defined"


def test_an_annotation_that_does_not_resolve_hides_no_other_mistake() -> None:
    def bad(first: int, name: Missing, other: int):  # type: ignore  # noqa: F821
        """name: it."""

    told = mistakes("test.bad", bad, needs="env:{name}")
    assert "has no description" in told
    assert "must take ctx as its first parameter" in told
    assert "parameter other is undocumented" in told
    assert "has no result type" in told
    assert not any("which names no parameter" in mistake for mistake in told), "name is one"


def test_a_name_is_declared_once() -> None:
    capability("test.greet", since="0.1")(greet)
    first = CATALOGUE["test.greet"]

    def again(ctx: Context) -> None:
        """Greets again."""

    assert mistakes("test.greet", again) == ["is declared twice"]

    async def later(ctx: Context) -> None:
        """Greets later."""

    told = ["computes only where it is done beside the loop"]
    assert mistakes("test.later", later, beside=1) == told
    assert CATALOGUE["test.greet"] is first


def test_a_handle_must_be_documented_identified_and_declared_once() -> None:
    class Bare:
        pass

    @dataclass
    class Made:
        x: int

    with pytest.raises(DeclarationError) as caught:
        handle("not one")(Bare)
    assert str(caught.value) == (
        "handle not one: class Bare is undocumented; must be an identifier"
    )
    with pytest.raises(DeclarationError, match="class Made is undocumented"):
        handle("made")(Made)
    handle("robot")(Robot)
    with pytest.raises(DeclarationError, match=r"^handle robot: is declared twice$"):
        handle("robot")(Context)
    assert HANDLES["robot"].cls is Robot
    assert Context not in HANDLE_KINDS
    assert "made" not in HANDLES


# The catalogue. -----------------------------------------------------------------------------------


@pytest.mark.parametrize("item", CAPABILITIES.values(), ids=list(CAPABILITIES))
def test_a_capability_is_told_in_whole_sentences(item: Capability) -> None:
    assert item.doc.endswith((".", "!", "?"))
    assert item.doc[0].isupper()
    assert re.fullmatch(r"\d+\.\d+", item.since)
    for text in [*(p.doc for p in item.params), item.returns_doc]:
        assert text == "" or text.endswith((".", "?", "!")), text
    assert all(p.doc for p in item.params)


@pytest.mark.parametrize("item", CAPABILITIES.values(), ids=list(CAPABILITIES))
def test_a_capability_needs_a_grant_there_is(item: Capability) -> None:
    assert item.kind == "" or item.kind in policy.KINDS
    assert not item.oneway or [p.type.describe for p in item.params] == ["a string"]


def test_handles_are_told_and_their_methods_exist() -> None:
    for kind in HANDLES.values():
        assert kind.doc.endswith("."), kind.kind
        methods = {item.verb for item in CAPABILITIES.values() if item.method_of == kind.kind}
        assert {kind.iterate, kind.close} - {""} <= methods, kind.kind


def test_names_of_tools_are_unique() -> None:
    tools = [item.tool for item in CAPABILITIES.values() if item.tool]
    assert len(tools) == len(set(tools)) > 0
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,63}", tool) for tool in tools)


def test_global_names_are_unique() -> None:
    names = [item.alias for item in CAPABILITIES.values() if item.alias]
    assert len(names) == len(set(names))
    assert set(names).isdisjoint(bridges.NAMESPACES)


def test_every_file_is_a_namespace_and_every_namespace_a_file() -> None:
    files = {path.stem for path in BRIDGES.glob("*.py")} - {"__init__"}
    assert files == {name.replace(".", "_") for name in bridges.NAMESPACES}
    assert len(bridges.NAMESPACES) == len(set(bridges.NAMESPACES))


def test_every_file_declares_its_own_namespace_only() -> None:
    for item in CAPABILITIES.values():
        file = item.namespace.replace(".", "_")
        assert item.function.__module__ == f"llmspell.bridges.{file}", item.name
    assert {item.namespace for item in CAPABILITIES.values()} == set(bridges.NAMESPACES)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, without its signature and docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_bodies_are_counted_without_signature_and_docstring() -> None:
    def lines(source: str) -> int:
        (function,) = ast.parse(source).body
        assert isinstance(function, ast.FunctionDef)
        return body_lines(function)

    assert lines("def f(\n  a,\n  b,\n):\n  '''Says.\n\n  It.\n  '''\n  x = 1\n  return x\n") == 2
    assert lines("def f():\n  '''Says.'''\n") == 0
    assert lines("def f():\n" + "  x = 1\n" * 11) == 11


@pytest.mark.parametrize("path", sorted(BRIDGES.glob("*.py")), ids=lambda path: path.stem)
def test_bodies_of_bridges_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: body_lines(f) for f in functions if body_lines(f) > 10}
    assert long == {}
