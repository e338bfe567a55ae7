"""Schemas: short text, what is refused, and what is worked out of them."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell.errors import BadArgument
from llmspell.host.schemas import algebra as schema_algebra
from llmspell.host.schemas import patterns
from llmspell.host.schemas import schema as schemas
from llmspell.host.schemas import text as schema_text
from llmspell.host.schemas.versions import Repository


@given(st.text(st.sampled_from('ab1 ?:,|{}()\n"\\.-listofmap$é\0'), max_size=40))
@settings(max_examples=1000, deadline=None)
def test_a_text_is_a_schema_or_refused_with_its_place(text: str) -> None:
    try:
        schema = schemas.read(text)
    except BadArgument as error:
        assert error.message.startswith("the text of the schema, line ")
    else:
        assert schemas.validator(schema)


NAMES = st.text(st.sampled_from("abcdef"), min_size=1, max_size=6).filter(
    lambda name: name not in ("list", "map")
)
TYPES = st.recursive(
    st.sampled_from(sorted(schema_text.TYPES)),
    lambda inner: (
        inner.map(lambda t: f"list of {t}")
        | inner.map(lambda t: f"map of {t}")
        | st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(
            lambda fields: "{" + ", ".join(f"{n}: {t}" for n, t in fields.items()) + "}"
        )
    ),
    max_leaves=5,
)


@given(st.dictionaries(NAMES, st.tuples(TYPES, st.booleans()), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_fields_come_out_as_they_were_written(fields: dict[str, Any]) -> None:
    text = ", ".join(f"{name}{'?' * left_out} {kind}" for name, (kind, left_out) in fields.items())
    schema = schemas.read(text)
    assert list(schema["properties"]) == list(fields)
    assert schema.get("required", []) == [name for name, (_, out) in fields.items() if not out]
    for name, (kind, _) in fields.items():
        alone = schemas.read(f"x {kind}")["properties"]["x"]
        assert schema["properties"][name] == alone


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.lists(VALUES, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_every_example_fits_what_was_inferred(examples: list[Any]) -> None:
    schema = schema_algebra.infer(examples)
    check = schemas.Validator(schema)
    seen = [schemas.mended(example, schema) for example in examples]
    assert [check.faults(example) for example in seen] == [[] for _ in examples]


@given(st.lists(VALUES, min_size=1, max_size=2), st.lists(VALUES, min_size=1, max_size=2))
@settings(max_examples=300, deadline=None)
def test_without_a_difference_nothing_changed(first: list[Any], second: list[Any]) -> None:
    old, new = schema_algebra.infer(first), schema_algebra.infer(second)
    assert (schema_algebra.diff(old, new) == []) == (old == new)
    if old == new:
        return
    if not any(change.breaking for change in schema_algebra.diff(old, new)):
        check = schemas.Validator(new)
        assert all(check.faults(schemas.mended(one, new)) == [] for one in first)


@given(st.lists(VALUES, min_size=1, max_size=2))
def test_merging_with_itself_changes_nothing(examples: list[Any]) -> None:
    schema = schema_algebra.infer(examples)
    assert schema_algebra.merge([schema, schema]) == schema


def test_a_fault_names_the_place_from_one() -> None:
    check = schemas.validator({"type": "array", "items": {"type": "integer"}})
    (fault,) = check.faults([1, "x"])
    assert str(fault) == '[2]: "x" is not of type "integer"'


@pytest.mark.parametrize("keyword", sorted(schemas.COSTLY))
def test_no_schema_of_a_script_refers_to_others(keyword: str) -> None:
    with pytest.raises(BadArgument, match="schemas of scripts cannot have"):
        schemas.read({"type": "object", "properties": {"a": {keyword: "#/x"}}})


def test_a_property_may_be_called_like_a_keyword() -> None:
    named = {"type": "object", "properties": {"$ref": {"type": "string"}, "propertie": {}}}
    assert schemas.read(named) == named


def test_examples_and_defaults_may_hold_anything() -> None:
    held = {"type": "object", "default": {"propertes": 1}, "examples": [{"typ": 2}]}
    assert schemas.read(held) == held


@given(st.lists(st.sampled_from(["save a 1", "save a 2", "save b 1", "delete a", "current a 1"])))
def test_an_export_is_the_whole_repository(steps: list[str]) -> None:
    kept = Repository()
    for step in steps:
        verb, name, *rest = step.split()
        try:
            if verb == "save":
                kept.save(name, {"title": rest[0]})
            elif verb == "delete":
                kept.delete(name, None)
            else:
                kept.set_current(name, 1)
        except Exception as error:  # noqa: BLE001 - what is not there is refused
            assert type(error).__name__ == "NotFound"
    told = json.loads(json.dumps(kept.export()))
    other = Repository()
    other.load(told)
    assert other.export() == kept.export()
    assert [entry.name for entry in other.entries()] == [entry.name for entry in kept.entries()]


# Regular expressions.


@pytest.mark.parametrize(
    ("pattern", "places"),
    [("abc", 3), (r"\d{4}", 4), ("a{2,5}b", 6), ("(ab){3}", 6), ("(a{10}){10}", 100),
     (r"[^\]{9}]{2}", 2), ("a{2}{3}", 6), ("x{3,}", 3), ("(((", 0), (")){5}", 6), (r"\({7}", 7)],
)  # fmt: skip
def test_a_pattern_is_as_long_as_its_repetitions(pattern: str, places: int) -> None:
    assert patterns.places(pattern) == places


def test_usual_patterns_are_taken_and_held_against_long_lists() -> None:
    for pattern, text in [
        (r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "123e4567-e89b-12d3-a456-426614174000"),
        (r"^(?=.*[A-Z])(?=.*\d).{8,}$", "aBc12345"),
        (r"^.{1,500}$", "x" * 500),
    ]:
        checked = schemas.validator(schemas.read({"items": {"pattern": pattern}}))
        assert checked.faults([text] * 100) == []
        assert [fault.path for fault in checked.faults([text, "", text])] == ["[2]"]


@pytest.mark.parametrize(
    "given",
    [
        {"allOf": [{"pattern": r"[\w\W]{4000}a"}, {"pattern": r"[\w\W]{4000}b"}]},
        {"pattern": "(((a{100}){100}){100}){100}"},
        {"allOf": [{"pattern": f"[\\w\\W]{{300}}{i}"} for i in range(150)]},
        {"patternProperties": {f"x{i}": True for i in range(201)}},
    ],
)
def test_patterns_that_take_much_memory_are_refused(given: dict[str, Any]) -> None:
    began = process_time()
    with pytest.raises(BadArgument, match=r"takes too much memory|more than 200 patterns"):
        schemas.read(given)
    assert process_time() - began < 5


@pytest.mark.parametrize(
    "pattern", [r"(\w{0,300}a){3}c", "[ab]{0,500}a[ab]{300}c", "^(?:(?![ab]*a[ab]{50}c)[ab])+$"]
)
def test_patterns_that_take_much_time_are_not_held_against_much_text(pattern: str) -> None:
    checked = schemas.validator(schemas.read({"items": {"pattern": pattern}}))
    (fault,) = checked.faults(["ab" * 50_000] * 4)
    assert "too large to check" in fault.message


def test_compiled_schemas_are_dropped_by_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = schemas._Compiled()
    monkeypatch.setattr(schemas, "MAX_KEPT", 20_000_000)
    texts = [json.dumps({"pattern": f"a{i}"}) for i in range(10)]
    first = [kept.get(text) for text in texts]
    assert kept.get(texts[-1]) is first[-1]
    assert kept.get(texts[0]) is not first[0]
    plain = [json.dumps({"title": str(i)}) for i in range(500)]
    before = [kept.get(text) for text in plain]
    assert [kept.get(text) for text in plain] == before


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "bb"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(["integer", "number", "string", "object", ["string", "null"]]),
        "minimum": st.integers(-2, 2), "maxLength": st.integers(0, 2),
        "required": st.lists(st.sampled_from("ab"), unique=True),
        "enum": st.lists(st.sampled_from([1, "a", None, True]), min_size=1, unique=True),
        "const": st.sampled_from([1, True, "a"]),
        "uniqueItems": st.booleans(),
        "additionalProperties": st.booleans() | st.just({"type": "string"}) | st.just({}),
    }),
    lambda inner: st.fixed_dictionaries({}, optional={
        "type": st.sampled_from(["object", "array"]),
        "properties": st.dictionaries(st.sampled_from("ab"), inner),
        "additionalProperties": inner | st.booleans(),
        "required": st.lists(st.sampled_from("ab"), unique=True),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "contains": inner, "minContains": st.integers(0, 2), "maxContains": st.integers(0, 2),
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "dependentSchemas": st.dictionaries(st.sampled_from("ab"), inner, max_size=1),
        "patternProperties": st.dictionaries(st.just("a"), inner, max_size=1),
        "if": inner, "then": inner, "else": inner,
    }),
    max_leaves=4,
)  # fmt: skip


@given(SCHEMAS, SCHEMAS, st.lists(VALUES, max_size=10))
@settings(max_examples=1000, deadline=None)
def test_a_change_that_breaks_nothing_refuses_nothing(
    old: dict[str, Any], new: dict[str, Any], values: list[Any]
) -> None:
    if not any(change.breaking for change in schema_algebra.diff(old, new)):
        before, after = schemas.Validator(old), schemas.Validator(new)
        for value in values:
            assert before.faults(value) or not after.faults(value)


WIDER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"uniqueItems": True}, {"uniqueItems": False}),
    ({}, {"uniqueItems": False}),
    ({}, {"required": []}),
    ({"multipleOf": 4}, {"multipleOf": 2}),
    ({"additionalProperties": False}, {"additionalProperties": {"type": "string"}}),
    ({"additionalProperties": {"type": "string"}}, {"additionalProperties": {}}),
    ({"properties": {"a": {"type": "string"}}}, {"properties": {"a": True}}),
    ({"$defs": {"a": {}}}, {"$defs": {"a": {"type": "string"}, "b": {}}}),
    ({"dependentSchemas": {"a": {}}, "additionalProperties": False},
     {"additionalProperties": False}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), WIDER, ids=str)
def test_a_change_that_takes_more_breaks_nothing(old: dict[str, Any], new: dict[str, Any]) -> None:
    changes = schema_algebra.diff(old, new)
    assert changes and not any(change.breaking for change in changes)


def test_a_number_is_no_boolean_where_schemas_differ() -> None:
    for old, new in (({"const": 1}, {"const": True}), ({"enum": [0]}, {"enum": [False]})):
        [change] = schema_algebra.diff(old, new)
        assert change.kind == "changed" and change.breaking


def test_what_is_kept_counts_as_memory() -> None:
    held: list[int] = []
    repository = Repository(held.append)
    repository.save("a", {"title": "x" * 1000})
    repository.save("a", {"title": "y" * 2000})
    assert sum(held) > 3000
    exported = repository.export()
    repository.delete("a", 1)
    repository.load(exported)
    kept = sum(held)
    repository.load(exported)
    assert sum(held) == kept
    repository.delete("a", None)
    assert sum(held) == 0
