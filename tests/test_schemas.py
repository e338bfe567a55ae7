"""Schemas: short text, what is refused, and what is worked out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell.errors import BadArgument
from llmspell.host.schemas import algebra as schema_algebra
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
    assert [check.faults(example) for example in examples] == [[] for _ in examples]


@given(st.lists(VALUES, min_size=1, max_size=2), st.lists(VALUES, min_size=1, max_size=2))
@settings(max_examples=300, deadline=None)
def test_without_a_difference_nothing_changed(first: list[Any], second: list[Any]) -> None:
    old, new = schema_algebra.infer(first), schema_algebra.infer(second)
    assert (schema_algebra.diff(old, new) == []) == (old == new)
    if old == new:
        return
    if not any(change.breaking for change in schema_algebra.diff(old, new)):
        check = schemas.Validator(new)
        assert all(check.faults(example) == [] for example in first)


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
