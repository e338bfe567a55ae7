"""Values at the border: the text form, the trip through every engine, and what cannot cross."""

from __future__ import annotations

import asyncio
import enum
import math
import string
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmspell
from llmspell.errors import InternalError, LlmspellError, ParamError
from llmspell.values import (
    INT_MAX,
    INT_MIN,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    CannotCross,
    FunctionRef,
    Handle,
    decode,
    dumps,
    encode,
    is_plain,
    kind_of,
    refuse_references,
)

ENGINES = ("lua54", "lua55", "luajit")
EXACT = 2**53

quick = settings(max_examples=120, deadline=None, database=None)
slow = settings(max_examples=50, deadline=None, database=None)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "\0", "a\0b", '"', "\\", "\\u0000", "\u2028\u0085", "\x7f", "\U0010ffff", "[]", "null"]
)
keys = texts.filter(lambda key: not key.startswith("\0"))
edges = st.sampled_from([INT_MIN, INT_MIN + 1, -1, 0, EXACT, EXACT + 1, INT_MAX - 1, INT_MAX])
integers = st.integers(INT_MIN, INT_MAX) | edges
floats = st.floats(allow_nan=False, allow_infinity=False)


def holds(found: dict[str, Any]) -> bool:
    """Whether a map is empty from the start, or keeps an entry once None is dropped."""
    return not found or any(item is not None for item in found.values())


def values(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | numbers | texts | st.binary(max_size=12)
    return st.recursive(
        leaves,
        # A map of nothing but None has a test of its own.
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5).filter(holds)
        ),
        max_leaves=20,
    )


def same(a: Any, b: Any) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and True differ, as do 0.0 and -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return bool(a == b)


def through_a_script(value: Any) -> Any:
    """What a value becomes in a script: bytes that are text are text, None in a map is absent."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if isinstance(value, list):
        return [through_a_script(item) for item in value]
    if isinstance(value, dict):
        left = {k: through_a_script(v) for k, v in value.items() if v is not None}
        return dict(sorted(left.items(), key=lambda pair: pair[0].encode()))
    return value


def run(source: str, params: dict[str, Any], engine: str = "lua54") -> Any:
    return llmspell.run_sync(source, params, engine=engine).value


def nested(depth: int) -> Any:
    """Lists within lists, `depth` of them."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


# The text form. -----------------------------------------------------------------------------------


@quick
@given(values(integers | floats))
def test_what_is_written_is_read_back(value: Any) -> None:
    assert same(decode(encode(value)), value)


@quick
@given(values(integers | floats))
def test_the_text_is_one_line_of_utf8_without_blanks_between_parts(value: Any) -> None:
    text = encode(value)
    assert b"\n" not in text
    assert b"\0" not in text
    assert text.decode().encode() == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"null"),
        (True, b"true"),
        (1, b"1"),
        (1.0, b"1.0"),
        (-0.0, b"-0.0"),
        (INT_MIN, b"-9223372036854775808"),
        ("grüße", '"grüße"'.encode()),
        ('a"\\\n', b'"a\\"\\\\\\n"'),
        ([1, [None]], b"[1,[null]]"),
        ({"b": 1, "a": {}}, b'{"b":1,"a":{}}'),
        ((1, 2), b"[1,2]"),
        (b"\x00\xff", b'{"\\u0000bytes":"00ff"}'),
        (Handle("agent", 3), b'{"\\u0000handle":["agent",3]}'),
    ],
    ids=repr,
)
def test_the_text_form(value: Any, text: bytes) -> None:
    assert encode(value) == text


def test_a_record_crosses_as_a_map() -> None:
    @dataclass
    class Point:
        x: int
        label: str | None = None

    assert decode(encode([Point(1)])) == [{"x": 1, "label": None}]


def test_subclasses_of_plain_types_cross_as_what_they_are() -> None:
    class Colour(enum.IntEnum):
        RED = 4

    class Name(str):
        __slots__ = ()

    assert encode([Colour.RED, Name("x")]) == b'[4,"x"]'


def test_a_handle_comes_back_as_a_handle() -> None:
    (found,) = decode(encode([Handle("agent", 7)]))
    assert (type(found), found.kind, found.id) == (Handle, "agent", 7)


def test_what_a_log_shows_of_a_reference_has_no_address() -> None:
    async def nothing(number: int, args: list[Any]) -> None: ...

    held = [FunctionRef(1, nothing), Handle("chat", 2)]
    assert repr(held) == "[FunctionRef(1), Handle('chat', 2)]"


def test_a_function_reference_can_be_called_where_it_arrives() -> None:
    called = []

    async def invoke(number: int, args: list[Any]) -> str:
        called.append((number, args))
        return "answer"

    text = encode({"f": FunctionRef(5, invoke)})
    found = decode(text, invoke)["f"]
    assert asyncio.run(found(1, "x")) == "answer"
    assert called == [(5, [1, "x"])]


def test_a_text_that_looks_like_a_tag_is_text() -> None:
    for value in ("\0bytes", ["\0bytes", "00"], {"k": "\0handle"}, {"x\0bytes": "00"}):
        assert decode(encode(value)) == value


# What cannot cross. -------------------------------------------------------------------------------


class Thing:
    pass


REFUSED: list[tuple[Any, str, str]] = [
    (math.nan, "value", "is not a finite number"),
    ([1.0, math.inf], "value[2]", "is not a finite number"),
    ({"a": {"b": -math.inf}}, "value.a.b", "is not a finite number"),
    (2**63, "value", "is an integer of more than 64 bits"),
    ({"n": [0, -(2**63) - 1]}, "value.n[2]", "is an integer of more than 64 bits"),
    ({"a": {1: 2}}, "value.a", "has the key 1, and keys must be strings"),
    ({None: 2}, "value", "has the key None, and keys must be strings"),
    ([{"\0bytes": "00"}], "value[1]", "has a key that starts with NUL"),
    ({"\0": 1, "x": 2}, "value", "has a key that starts with NUL"),
    ("\ud800", "value", "is not valid Unicode text"),
    (["fine", "half \udc00"], "value[2]", "is not valid Unicode text"),
    ({"\ud800": 1}, "value", "is not valid Unicode text"),
    ({"x": Thing()}, "value.x", "is a Thing, which cannot cross: register it"),
    ([Thing], "value[1]", "is a type, which cannot cross"),
    ([{1, 2}], "value[1]", "is a set, which cannot cross: register it"),
    ([1j], "value[1]", "is a complex, which cannot cross: register it"),
]


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED, ids=[r[2] for r in REFUSED])
def test_a_refusal_names_path_and_reason(value: Any, path: str, reason: str) -> None:
    with pytest.raises(CannotCross) as caught:
        encode(value)
    assert (caught.value.path, caught.value.reason) == (path, reason)
    assert str(caught.value) == f"{path} {reason}"


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED, ids=[r[2] for r in REFUSED])
def test_a_refusal_is_the_same_in_a_large_value(value: Any, path: str, reason: str) -> None:
    much: list[Any] = [[{"a": 1}, "b", 0.5] for _ in range(2000)]
    with pytest.raises(CannotCross) as caught:
        encode([much, value])
    assert caught.value.path == path.replace("value", "value[2]", 1)
    assert caught.value.reason == reason


@quick
@given(values(integers | floats))
def test_a_large_value_is_written_as_a_small_one_is(value: Any) -> None:
    much = [[{"a": 1}, "b", 0.5]] * 2000
    assert encode([much, value]) == b"[%b,%b]" % (encode(much), encode(value))
    if is_plain(value, MAX_DEPTH):
        assert dumps(value).encode() == encode(value)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (nested(3), True), (nested(4), False), ({"a": {"b": {}}}, True), ([[[[]]]], False),
        ("x", True), (b"x", False), ((1,), False), ({"\0": 1}, False), (Handle("agent", 1), False),
        ([0] * (MAX_NODES - 1), True), ([0] * MAX_NODES, False), ([INT_MAX + 1], False),
        ([True, None, 1.5, INT_MIN], True), ([math.inf], False), (["\ud800"], False),
    ],
)  # fmt: skip
def test_what_is_plain_is_told_from_the_rest(value: Any, plain: bool) -> None:
    assert is_plain(value, 3) is plain


@pytest.mark.parametrize(("value", "path", "reason"), REFUSED, ids=[r[2] for r in REFUSED])
def test_a_refused_parameter_is_an_error_of_the_caller(value: Any, path: str, reason: str) -> None:
    with pytest.raises(ParamError) as caught:
        run("return 1", {"p": value})
    assert caught.value.message == path.replace("value", "params.p", 1) + " " + reason


def test_integers_at_the_edges_cross() -> None:
    for value in (INT_MIN, INT_MAX):
        assert decode(encode(value)) == value


def test_depth_is_bounded_exactly() -> None:
    assert decode(encode(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(CannotCross) as caught:
        encode(nested(MAX_DEPTH + 1))
    assert caught.value.path == "value" + "[1]" * MAX_DEPTH
    assert caught.value.reason == "is nested more than 32 deep (or contains itself)"
    with pytest.raises(CannotCross, match=r"x\[1\]\[1\] is nested more than 2 deep"):
        encode(nested(3), "x", depth=2)


def test_a_value_that_contains_itself_is_refused() -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = [cycle]
    with pytest.raises(CannotCross, match=r"\(or contains itself\)"):
        encode(cycle)


def test_the_number_of_values_is_bounded_exactly() -> None:
    assert len(decode(encode([0] * (MAX_NODES - 1)))) == MAX_NODES - 1
    with pytest.raises(CannotCross) as caught:
        encode([0] * MAX_NODES)
    assert (caught.value.path, caught.value.reason) == (
        f"value[{MAX_NODES}]",
        "is one of more than 100000 values",
    )


def test_a_shared_value_that_grows_without_end_is_refused() -> None:
    value: list[Any] = [0]
    for _ in range(30):
        value = [value, value]
    with pytest.raises(CannotCross, match="is one of more than 100000 values"):
        encode(value)


def test_the_size_is_bounded() -> None:
    with pytest.raises(CannotCross, match=f"value is larger than {MAX_BYTES} bytes"):
        encode(["x" * MAX_BYTES])
    with pytest.raises(CannotCross, match=f"value is larger than {MAX_BYTES} bytes"):
        encode("x" * MAX_BYTES)


def test_what_ends_with_the_run_may_not_be_a_result() -> None:
    async def invoke(number: int, args: list[Any]) -> None:
        return None

    refuse_references({"a": [1, "x", None]}, "the result")
    with pytest.raises(CannotCross) as caught:
        refuse_references({"a": [1, FunctionRef(1, invoke)]}, "the result")
    assert str(caught.value) == "the result.a[2] is a function, which ends with the run"
    with pytest.raises(CannotCross, match="the result is a agent, which ends with the run"):
        refuse_references(Handle("agent", 1), "the result")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "nothing"),
        (False, "boolean"),
        (1, "number"),
        (1.5, "number"),
        ("", "string"),
        (b"", "bytes"),
        ([], "table"),
        ({}, "table"),
        (Handle("stream", 1), "stream"),
        (Thing(), "Thing"),
    ],
)
def test_kinds_have_the_words_a_script_knows(value: Any, word: str) -> None:
    assert kind_of(value) == word


# Through the engines. -----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["lua54", "lua55"])
@slow
@given(value=values(integers | floats))
def test_values_come_back_from_lua_unchanged(engine: str, value: Any) -> None:
    assert same(run("return params.v", {"v": value}, engine), through_a_script(value))


@slow
@given(value=values(st.integers(-EXACT, EXACT) | floats))
def test_values_come_back_from_luajit_unchanged(value: Any) -> None:
    # All its numbers are doubles, so 1.0 comes back as 1.
    assert run("return params.v", {"v": value}, "luajit") == through_a_script(value)


@pytest.mark.parametrize("engine", ENGINES)
@slow
@given(params=st.dictionaries(keys, values(st.integers(-EXACT, EXACT)), max_size=4).filter(holds))
def test_params_are_all_the_script_gets_and_all_it_gives(
    engine: str, params: dict[str, Any]
) -> None:
    assert run("return params", params, engine) == through_a_script(params)


@pytest.mark.parametrize("engine", ENGINES)
def test_empty_and_missing_keep_their_shape(engine: str) -> None:
    params = {"map": {}, "list": [], "deep": [{}, [], [{}]], "gone": None, "kept": [None, 1, None]}
    assert run("return params", params, engine) == {
        "map": {},
        "list": [],
        "deep": [{}, [], [{}]],
        "kept": [None, 1, None],
    }
    assert run("return params.gone == nil and #params.kept", params, engine) == 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("params", [{"m": {"x": None}}, {"x": None}, {"l": [{"x": None}]}])
def test_a_map_of_nothing_but_none_is_an_empty_map(params: dict[str, Any], engine: str) -> None:
    assert run("return params", params, engine) == through_a_script(params)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_character_arrives_as_itself(engine: str) -> None:
    strange = "".join(map(chr, range(0x250))) + "\u2028\ufeff\uffff\U00010000\U0010ffff"
    source = "return {params.s, #params.s, params.s == params.t}"
    value = run(source, {"s": strange, "t": strange}, engine)
    assert value == [strange, len(strange.encode()), True]
    assert run("return params.b", {"b": bytes(range(256))}, engine) == bytes(range(256))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("key", ["", " ", "a.b", "é", "x\0y", "__index", "1", *string.punctuation])
def test_every_key_arrives_as_itself(key: str, engine: str) -> None:
    value = {key: {key: 1}}
    assert run("return params.v", {"v": value}, engine) == {key: {key: 1}}


@pytest.mark.parametrize("engine", ["lua54", "lua55"])
def test_integers_and_floats_stay_apart(engine: str) -> None:
    sent = {"i": 3, "f": 3.0, "min": INT_MIN, "max": INT_MAX, "z": -0.0, "small": 5e-324}
    back = run(
        "assert(math.type(params.i) == 'integer' and math.type(params.f) == 'float') "
        "assert(params.min == math.mininteger and params.max == math.maxinteger) return params",
        sent,
        engine,
    )
    assert same(dict(sorted(sent.items())), back)


@pytest.mark.parametrize("number", [EXACT + 1, -EXACT - 1, EXACT + 2, INT_MAX, INT_MIN])
def test_luajit_refuses_what_it_would_round(number: int) -> None:
    with pytest.raises(LlmspellError) as caught:
        run("return json.decode(params.text)", {"text": str(number)}, "luajit")
    assert f"the integer {number} cannot cross" in caught.value.message


@pytest.mark.parametrize("number", [EXACT + 2, INT_MAX, INT_MIN])
def test_a_parameter_luajit_would_round_is_not_a_fault_of_ours(number: int) -> None:
    with pytest.raises(LlmspellError) as caught:
        run("return params.n", {"n": number}, "luajit")
    assert f"the integer {number} cannot cross" in caught.value.message
    assert not isinstance(caught.value, InternalError)


@pytest.mark.parametrize("engine", ENGINES)
def test_luajit_and_lua_agree_up_to_two_to_the_53(engine: str) -> None:
    for number in (EXACT, -EXACT, EXACT - 1):
        back = run("return params.n", {"n": number}, engine)
        assert (back, type(back)) == (number, int)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_script_meets_the_same_bounds(engine: str) -> None:
    assert run("local t = 1 for _ = 1, 32 do t = {t} end return t", {}, engine) == nested(32)
    for source, said in [
        ("local t = 1 for _ = 1, 33 do t = {t} end return t", "is nested too deep"),
        ("local t = {} for i = 1, 100000 do t[i] = i end return t", "one of more than 100000"),
        ("return {a = {{x = 0/0}}}", "the result.a[1].x is not a finite number"),
        ("return {[true] = 1}", "the result has a boolean as key, and keys must be strings"),
        ("return {['\\0x'] = 1}", "the result has a key that starts with NUL"),
        ("return {['\\255'] = 1}", "the result has a key that is not valid UTF-8"),
        ("return {1, nil, 3}", "the result is a list with holes"),
    ]:
        with pytest.raises(LlmspellError) as caught:
            run(source, {}, engine)
        assert said in caught.value.message, source


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "event", ["index", "newindex", "pairs", "len", "tostring", "eq", "lt", "concat", "call", "name"]
)
def test_no_metamethod_runs_at_the_border(event: str, engine: str) -> None:
    source = f"""
        local ran
        local t = setmetatable({{a = 1, b = {{2}}}}, {{__{event} = function() ran = true end}})
        setmetatable(t.b, getmetatable(t))
        local text = json.encode({{t}})
        return {{ran or false, text, t}}
    """
    assert run(source, {}, engine) == [False, '[{"a":1,"b":[2]}]', {"a": 1, "b": [2]}]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_cannot_pass_for_null(engine: str) -> None:
    source = "return {setmetatable({a = 1}, {__eq = function() return true end})}"
    assert run(source, {}, engine) == [{"a": 1}]
