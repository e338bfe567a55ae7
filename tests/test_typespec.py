"""Types: what each kind takes, what it says when a value does not fit, and its JSON Schema."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

import jsonschema_rs
import pytest

import llmspell
from llmspell import typespec
from llmspell.docstrings import prose
from llmspell.errors import BadArgument
from llmspell.host.llm.messages import Message, ModelOptions
from llmspell.typespec import HANDLE_KINDS, JsonSchema, Misfit, read
from llmspell.values import FunctionRef, Handle


@dataclass(frozen=True)
class Point:
    """A place.

    x: how far right.
    label: what it is called,
        in one word.
    tags: words for it.
    """

    x: int
    label: str | None = None
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Line:
    """Two places.

    start: where it starts.
    more: the rest.
    """

    start: Point
    more: list[Point] = field(default_factory=list)


class Robot:
    """A host object."""


class Run:
    """A border with one handle."""

    def __init__(self) -> None:
        self.robot = Robot()

    def resolve(self, handle: Handle) -> Any:
        assert (handle.kind, handle.id) == ("robot", 1)
        return self.robot


RUN = Run()


@pytest.fixture
def robots() -> Iterator[None]:
    HANDLE_KINDS[Robot] = "robot"
    yield
    del HANDLE_KINDS[Robot]


async def invoke(number: int, args: list[Any]) -> None:
    return None


def fit(annotation: Any, value: Any) -> Any:
    return read(annotation).fit(value, "p", RUN)


def misfit(annotation: Any, value: Any) -> str:
    with pytest.raises(Misfit) as caught:
        fit(annotation, value)
    return str(caught.value)


FITS: list[tuple[Any, Any, Any]] = [
    (Any, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (None, None, None),
    (bool, True, True),
    (int, 3, 3),
    (int, 3.0, 3),
    (int, -0.0, 0),
    (float, 3, 3.0),
    (float, 2.5, 2.5),
    (str, "", ""),
    (str, "grüße", "grüße"),
    (bytes, b"\xff", b"\xff"),
    (bytes, "grüße", "grüße".encode()),
    (list[int], [1, 2.0], [1, 2]),
    (list[int], {}, []),
    (list[list[str]], [["a"], {}], [["a"], []]),
    (dict[str, int], {"a": 1.0}, {"a": 1}),
    (dict[str, int], [], {}),
    (dict[str, dict[str, bool]], {"a": []}, {"a": {}}),
    (Literal["a", "b"], "b", "b"),
    (str | None, None, None),
    (str | None, "x", "x"),
    (Optional[int], 2.0, 2),  # noqa: UP045 - what older code still writes
    (int | str, "x", "x"),
    (int | str, 2.0, 2),
    (int | float, 2.5, 2.5),
    (list[int] | dict[str, int], {"a": 1}, {"a": 1}),
    (Point, {"x": 1}, Point(1)),
    (Point, {"x": 1.0, "label": "l", "tags": {}}, Point(1, "l", [])),
    (Line, {"start": {"x": 1}, "more": [{"x": 2}]}, Line(Point(1), [Point(2)])),
    (ModelOptions, [], ModelOptions()),
    (JsonSchema, {"type": "object"}, {"type": "object"}),
]


@pytest.mark.parametrize(("annotation", "value", "wanted"), FITS, ids=repr)
def test_what_fits_comes_as_the_host_wants_it(annotation: Any, value: Any, wanted: Any) -> None:
    found = fit(annotation, value)
    assert found == wanted
    assert type(found) is type(wanted) or annotation is JsonSchema


MISFITS: list[tuple[Any, Any, str]] = [
    (None, 1, "p must be nothing, got number"),
    (bool, 1, "p must be a boolean, got number"),
    (bool, "true", "p must be a boolean, got string"),
    (bool, None, "p must be a boolean, got nothing"),
    (int, 1.5, "p must be an integer, got number"),
    (int, True, "p must be an integer, got boolean"),
    (int, "1", "p must be an integer, got string"),
    (float, True, "p must be a number, got boolean"),
    (float, "1", "p must be a number, got string"),
    (str, {}, "p must be a string, got table"),
    (str, 1, "p must be a string, got number"),
    (str, b"\xff", "p must be a string, got bytes"),
    (bytes, 1, "p must be bytes, got number"),
    (bytes, [], "p must be bytes, got table"),
    (list[int], "x", "p must be a list, got string"),
    (list[int], {"a": 1}, "p must be a list, got table"),
    (list[int], [1, "x"], "p[2] must be an integer, got string"),
    (list[list[int]], [[1], [2, None]], "p[2][2] must be an integer, got nothing"),
    (dict[str, int], [1], "p must be a map, got table"),
    (dict[str, int], {"a": {"b": 1}}, "p.a must be an integer, got table"),
    (Literal["a", "b"], "c", 'p must be one of "a", "b", got "c"'),
    (Literal["a", "b"], 1, 'p must be one of "a", "b", got number'),
    (Literal["a", "b"], [], 'p must be one of "a", "b", got table'),
    (str | None, 1, "p must be a string, got number"),
    (list[int] | None, [None], "p[1] must be an integer, got nothing"),
    (int | str, [], "p must be an integer or a string, got table"),
    (int | str, None, "p must be an integer or a string, got nothing"),
    (int | str | None, [], "p must be an integer or a string, got table"),
    (Point, 1, "p must be a map, got number"),
    (Point, [1], "p must be a map, got table"),
    (Point, [], "p.x is missing: it must be an integer"),
    (Point, {"label": "l"}, "p.x is missing: it must be an integer"),
    (Point, {"x": "1"}, "p.x must be an integer, got string"),
    (Point, {"x": 1, "lable": "l"}, "p.lable is not known; did you mean label?"),
    (Point, {"x": 1, "zzz": 1}, "p.zzz is not known; known are label, tags, x"),
    (Line, {"start": {"y": 1}}, "p.start.y is not known; known are label, tags, x"),
    (Line, {"start": {"x": 1}, "more": [{}]}, "p.more[1].x is missing: it must be an integer"),
    (JsonSchema, "x", "p must be a JSON Schema (a map), got string"),
    (JsonSchema, [1], "p must be a JSON Schema (a map), got table"),
    (FunctionRef, 1, "p must be a function, got number"),
    (FunctionRef, Handle("robot", 1), "p must be a function, got robot"),
]


@pytest.mark.parametrize(("annotation", "value", "said"), MISFITS, ids=repr)
def test_a_misfit_names_path_and_kinds(annotation: Any, value: Any, said: str) -> None:
    assert misfit(annotation, value) == said


def test_a_function_reference_fits() -> None:
    reference = FunctionRef(1, invoke)
    assert fit(FunctionRef, reference) is reference
    assert misfit(str, reference) == "p must be a string, got function"


@pytest.mark.usefixtures("robots")
def test_a_handle_fits_to_the_object_behind_it() -> None:
    assert fit(Robot, Handle("robot", 1)) is RUN.robot
    assert fit(Robot | None, None) is None
    assert misfit(Robot, Handle("agent", 1)) == "p must be a robot, got agent"
    assert misfit(Robot, {"id": 1}) == "p must be a robot, got table"
    assert misfit(list[Robot], [1]) == "p[1] must be a robot, got number"


def test_the_records_of_all_lists_of_an_argument_are_counted() -> None:
    most = typespec.MAX_RECORDS
    assert len(fit(list[list[Point]], [[{"x": 1}] * (most - 1)])[0]) == most - 1
    told = f"p[2] must have at most {most} items, those inside included"
    assert misfit(list[list[Point]], [[{"x": 1}] * (most // 2)] * 2) == told
    assert fit(list[int], [1] * (most + 1)) == [1] * (most + 1)


def test_an_article_fits_its_noun() -> None:
    assert [typespec.article(noun) for noun in ("agent", "robot")] == ["an", "a"]


def test_an_integer_does_not_leave_its_64_bits() -> None:
    # A float of the script may be integral and still be no integer of the border.
    assert "integer" in misfit(int, 1e300)
    assert "integer" in misfit(int, 2.0**63)
    assert fit(int, -(2.0**63)) == -(2**63)


SCHEMAS: list[tuple[Any, dict[str, Any]]] = [
    (Any, {}),
    (None, {"type": "null"}),
    (bool, {"type": "boolean"}),
    (int, {"type": "integer"}),
    (float, {"type": "number"}),
    (str, {"type": "string"}),
    (bytes, {"type": "string"}),
    (list[int], {"type": "array", "items": {"type": "integer"}}),
    (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
    (str | None, {"type": "string"}),
    (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (int | str | None, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (JsonSchema, {"type": "object"}),
    (FunctionRef, {}),
    (
        Point,
        {
            "type": "object",
            "properties": {
                "x": {"type": "integer", "description": "how far right."},
                "label": {
                    "type": "string",
                    "description": "what it is called, in one word.",
                },
                "tags": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "words for it.",
                },
            },
            "required": ["x"],
            "additionalProperties": False,
        },
    ),
]


@pytest.mark.parametrize(("annotation", "schema"), SCHEMAS, ids=repr)
def test_a_type_prints_itself_as_json_schema(annotation: Any, schema: dict[str, Any]) -> None:
    assert read(annotation).schema() == schema


@pytest.mark.parametrize(("annotation", "value", "wanted"), FITS, ids=repr)
def test_the_schema_takes_what_fits(annotation: Any, value: Any, wanted: Any) -> None:
    # Not what only scripts and the host can have: bytes, nothing where it may be left out, and
    # the empty table that stands for either.
    if value in (None, b"\xff") or "{}" in repr(value) or "[]" in repr(value):
        return
    schema = read(annotation).schema()
    jsonschema_rs.validator_for(schema).validate(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(a, v) for a, v, _ in MISFITS if v is not None and not isinstance(v, bytes | Handle)],
    ids=repr,
)
def test_the_schema_refuses_what_does_not_fit(annotation: Any, value: Any) -> None:
    if annotation in (JsonSchema, FunctionRef, bytes) or value == []:
        return
    assert not jsonschema_rs.validator_for(read(annotation).schema()).is_valid(value)


def test_children_are_the_types_below() -> None:
    def kinds(annotation: Any) -> list[str]:
        return [type(child).__name__ for child in read(annotation).children()]

    assert kinds(list[int]) == ["Scalar"]
    assert kinds(dict[str, list[int]]) == ["ListOf"]
    assert kinds(str | None) == ["Scalar", "Nothing"]
    assert kinds(Point) == ["Scalar", "AnyOf", "ListOf"]
    assert kinds(int) == []


# JSON Schemas. ------------------------------------------------------------------------------------

MENDED: list[tuple[Any, Any]] = [
    ([], {}),
    ({"properties": []}, {"properties": {}}),
    ({"properties": {"x": []}}, {"properties": {"x": {}}}),
    ({"properties": {"x": {"properties": []}}}, {"properties": {"x": {"properties": {}}}}),
    ({"properties": {"items": []}}, {"properties": {"items": {}}}),
    ({"properties": {"properties": []}}, {"properties": {"properties": {}}}),
    ({"$defs": []}, {"$defs": {}}),
    ({"definitions": {"a": []}}, {"definitions": {"a": {}}}),
    ({"items": []}, {"items": {}}),
    ({"additionalProperties": []}, {"additionalProperties": {}}),
    ({"additionalProperties": False}, {"additionalProperties": False}),
    ({"not": []}, {"not": {}}),
    ({"required": []}, {"required": []}),
    ({"enum": [[]]}, {"enum": [[]]}),
    ({"default": []}, {"default": []}),
    ({"const": {"properties": []}}, {"const": {"properties": []}}),
    ({"examples": []}, {"examples": []}),
    ({"anyOf": [[], {"properties": []}]}, {"anyOf": [{}, {"properties": {}}]}),
    ({"allOf": [{"items": []}]}, {"allOf": [{"items": {}}]}),
    ({"oneOf": [{"not": []}]}, {"oneOf": [{"not": {}}]}),
    ({"prefixItems": [[]]}, {"prefixItems": [{}]}),
    ({"contains": []}, {"contains": {}}),
    ({"propertyNames": []}, {"propertyNames": {}}),
    ({"dependentSchemas": []}, {"dependentSchemas": {}}),
]


@pytest.mark.parametrize(("given", "mended"), MENDED, ids=repr)
def test_an_empty_table_is_a_map_where_the_standard_wants_one(given: Any, mended: Any) -> None:
    found = fit(JsonSchema, given)
    assert type(found) is JsonSchema
    assert found == mended


@pytest.mark.parametrize("properties", ["x", 1, True, [1], {"a": "x"}, {"a": [1]}])
def test_a_schema_that_is_none_is_left_to_the_validator(properties: Any) -> None:
    # Mending must not trip over nonsense: what a schema may hold is not its business.
    given = {"properties": properties}
    assert fit(JsonSchema, given) == given


@pytest.mark.parametrize("source", ["'x'", "{1}", "5"])
def test_a_nonsense_schema_is_a_bad_argument(source: str) -> None:
    with pytest.raises(BadArgument):
        llmspell.run_sync(
            f"tools.register('t', 'A tool.', {{type = 'object', properties = {source}}}, "
            "function() end)"
        )


# Reading annotations. -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "annotation",
    [
        object,
        complex,
        list,
        dict,
        tuple[int, ...],
        set[int],
        dict[int, str],
        Literal[1],
        Literal["a", 2],
        Callable[[], None],
        Robot,
        list[Robot],
        dict[str, complex],
        int | Robot,
        Robot | None,
        typing.List,  # noqa: UP006 - what older code still writes
        typing.Dict,  # noqa: UP006
        "str",
        5,
    ],
    ids=repr,
)
def test_a_type_the_border_does_not_have_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="is not a type that can cross"):
        read(annotation)


def test_a_record_is_refused_with_all_its_mistakes() -> None:
    @dataclass
    class Bad:
        """A record.

        a: documented.
        """

        a: complex
        b: int
        c: Robot

    with pytest.raises(TypeError) as caught:
        read(Bad)
    told = str(caught.value)
    for mistake in (
        "Bad.a: <class 'complex'> is not a type that can cross",
        "Bad.b is undocumented",
        "Bad.c is undocumented",
        "Bad.c: ",
    ):
        assert mistake in told
    assert "Bad.a is undocumented" not in told


def test_a_record_is_read_as_a_type_not_as_an_instance() -> None:
    with pytest.raises(TypeError):
        read(Point(1))


def test_prose_splits_description_and_entries() -> None:
    text, entries = prose(
        """Does a thing.

        It does it well: quickly and
        without noise.

        name: what to do
            it to.
        returns: what
          came of it.
        """
    )
    assert text == "Does a thing.\n\nIt does it well: quickly and\nwithout noise."
    assert entries == {"name": "what to do it to.", "returns": "what came of it."}
    assert prose("") == ("", {})
    assert prose("One line.") == ("One line.", {})


# The texts a script's author reads. ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("llm.generate({})", "llm.generate: prompt must be a string, got table"),
        ("llm.generate(nil)", "llm.generate: prompt must be a string, got nothing"),
        ("llm.generate()", "llm.generate: prompt is missing: it must be a string"),
        ("llm.generate(print)", "llm.generate: prompt must be a string, got function"),
        (
            "llm.generate('x', {max_token = 5})",
            "llm.generate: options.max_token is not known; did you mean max_tokens?",
        ),
        (
            "llm.generate('x', {max_tokens = 'many'})",
            "llm.generate: options.max_tokens must be an integer, got string",
        ),
        ("llm.generate('x', 5)", "llm.generate: options must be a map, got number"),
        ("llm.generate('x', {}, 3)", "llm.generate: takes at most 2 arguments, got 3"),
        ("json.decode('1', 2)", "json.decode: takes at most 1 argument, got 2"),
        (
            "llm.generate_message({{role = 'usr', content = 'x'}})",
            'llm.generate_message: messages[1].role must be one of "system", "user", "assistant", '
            'got "usr"',
        ),
        (
            "llm.generate_message({{role = 'user'}})",
            "llm.generate_message: messages[1].content is missing: it must be a string",
        ),
        ("io.read('word')", 'io.read: what must be one of "line", "all", "l", "a", "*l", "*a"'),
        ("json.encode({}, {pretty = 1})", "json.encode: options.pretty must be a boolean, got num"),
    ],
)
def test_what_the_author_reads(source: str, said: str) -> None:
    with pytest.raises(BadArgument) as caught:
        llmspell.run_sync(source)
    assert said in caught.value.message
    assert caught.value.code == "bad_argument"
    assert said.endswith(caught.value.message) or caught.value.message.startswith(said)


def test_roles_of_messages_are_those_a_script_is_told() -> None:
    assert read(Message).schema()["properties"]["role"]["enum"] == ["system", "user", "assistant"]
