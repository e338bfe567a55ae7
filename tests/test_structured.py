"""Answers as data: the forms of asking, the asking again, and the reading of what models write."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell import BadArgument, Session
from llmspell.host.schemas import loose_json
from llmspell.host.schemas.structured import Form
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing import scripted
from llmspell.testing.servers import ModelServer


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def run(source: str, server: ModelServer, **more: Any) -> Any:
    local = ProviderSettings("openai_compatible", server.url + "/v1")

    async def main() -> Any:
        chosen = Settings(providers={"local": local})
        async with Session(settings=chosen, model="local/data", **more) as session:
            return await session.run(source)

    return asyncio.run(main())


def asked(server: ModelServer) -> list[dict[str, Any]]:
    return [request.body for request in server.requests]


# How a model is asked.


def test_the_native_form_goes_to_the_provider_as_a_schema(server: ModelServer) -> None:
    assert run("return structured.generate('x', 'a, n int')", server).value == {"a": "a", "n": 1}
    (body,) = asked(server)
    told = body["response_format"]["json_schema"]["schema"]
    assert told["properties"]["n"]["type"] == "integer"
    assert "tools" not in body


def test_the_tool_form_leaves_no_other_answer(server: ModelServer) -> None:
    source = "return structured.generate('x', 'a', {mode = 'tool'})"
    assert run(source, server).value == {"a": "a"}
    (body,) = asked(server)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["answer"]
    assert body["tool_choice"] == "required"
    assert "response_format" not in body


def test_what_a_provider_refused_once_is_not_tried_again(server: ModelServer) -> None:
    source = """
    local o = {model = "local/data-no-schema"}
    structured.generate("x", "a", o)
    structured.generate("x", "a", o)
    """
    run(source, server)
    forms = ["native" if "response_format" in body else "tool" for body in asked(server)]
    assert forms == ["native", "tool", "tool"]


def test_what_was_wrong_goes_back_with_the_answer(server: ModelServer) -> None:
    run("structured.generate('x', 'a', {model = 'local/data-wrong-1'})", server)
    _, second = asked(server)
    _, answer, complaint = second["messages"]
    assert json.loads(answer["content"]) == {"wrong": 1}
    assert '"a" is a required property' in complaint["content"]
    assert "Additional properties" in complaint["content"]


def test_a_wrong_call_of_the_tool_gets_its_result(server: ModelServer) -> None:
    run("structured.generate('x', 'a', {model = 'local/data-wrong-1', mode = 'tool'})", server)
    _, second = asked(server)
    _, call, result = second["messages"]
    assert result["role"] == "tool"
    assert result["tool_call_id"] == call["tool_calls"][0]["id"]


def test_every_asking_is_charged(server: ModelServer) -> None:
    source = "structured.generate('one two', 'a', {model = 'local/data-wrong-2'})"
    assert run(source, server).usage.model_calls == 3


def test_a_bad_schema_costs_no_request(server: ModelServer) -> None:
    source = "return pcall(structured.generate, 'x', {type = 'objekt'})"
    assert run(source, server).value is False
    assert asked(server) == []


def test_a_recording_gives_the_value_without_asking(server: ModelServer, tmp_path: Path) -> None:
    source = "return structured.generate('x', 'a', {model = 'local/data-wrong-1'})"
    kept = tmp_path / "calls"
    assert run(source, server, record=kept).value == {"a": "a"}
    before = server.count()
    assert run(source, server, replay=kept).value == {"a": "a"}
    assert server.count() == before


def test_an_empty_field_that_may_be_left_out_is_left_out() -> None:
    form = Form("name, nick?, people?: list of {mail?}")
    text = '{"name": "a", "nick": null, "people": [{"mail": null}]}'
    assert form.read(text) == ({"name": "a", "people": [{}]}, [])
    assert form.read('{"name": null}').faults != []


# What models write.


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON, st.booleans())
@settings(max_examples=200, deadline=None)
def test_json_is_read_as_it_is(value: Any, pretty: bool) -> None:
    assert next(loose_json.find(json.dumps(value, indent=2 if pretty else None))) == value


@given(JSON, st.integers(0, 100))
@settings(max_examples=200, deadline=None)
def test_what_is_cut_off_or_among_words_is_read_without_a_fault(value: Any, share: int) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cut = text[: len(text) * share // 100]
    for part in (cut, f"Sure:\n```json\n{cut}", f"{cut} and more {{"):
        for found in loose_json.find(part):
            assert loose_json.crosses(found)
        loose_json.partial(part)


@given(st.text(st.sampled_from("{}[]:,\"'\\/*#` \n\tabu0123-.e\ud83d"), max_size=60))
@settings(max_examples=500, deadline=None)
def test_no_text_is_too_odd(text: str) -> None:
    for found in loose_json.find(text):
        assert loose_json.crosses(found)


@pytest.mark.parametrize(
    "piece",
    ["{", '"', '{"a":', "```json\n{", "['a' ", '",', "a ", '\\"', '"  x', "{#", "/*", "[1e"],
)
def test_reading_takes_time_in_proportion(piece: str) -> None:
    def taken(size: int) -> float:
        text = '{"a":"' + piece * (size // len(piece))
        began = process_time()
        list(loose_json.find(text))
        return process_time() - began

    taken(1000)
    short, long = min(taken(8000) for _ in range(3)), min(taken(128_000) for _ in range(3))
    # 16 times the text; time that grew with its square would be 256 times as long.
    assert long < 100 * max(short, 0.001)


def test_reading_from_many_places_ends() -> None:
    # Each of the first brackets begins what is read to the end, and is nested too deep there.
    text = "[" * 29 + "1," * 60_000 + "[" * 40
    began = process_time()
    assert list(loose_json.find(text)) == []
    first = _Reading(text).seconds
    assert process_time() - began - first < 12 * max(first, 0.05)


class _Reading:
    """One reading of a text."""

    def __init__(self, text: str) -> None:
        began = process_time()
        with pytest.raises(BadArgument):
            loose_json._Reader(text, 0).value(0)
        self.seconds = process_time() - began


def test_an_answer_that_is_too_long_is_read_in_part_at_last_only() -> None:
    assert loose_json.partial("{'a': " + "x" * loose_json.MAX_TEXT) is None


def test_a_long_answer_that_streams_is_not_read_at_every_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    partial = loose_json.partial
    monkeypatch.setattr(loose_json, "partial", lambda text: read.append(len(text)) or partial(text))
    numbers = list(range(20_000))
    models = {"m": scripted(json.dumps(numbers))}
    source = """
    local sizes, last = 0, 0
    for part in structured.stream("x", "list of int") do
      assert(#part >= last)
      sizes, last = sizes + 1, #part
    end
    return { sizes, last }
    """
    parts, last = Session(models=models, model="mock/m").run_sync(source).value
    assert last == 20_000
    assert 10 < parts <= len(read) + 1 < 1000
    assert read == sorted(set(read))


def test_half_a_character_by_its_number_is_left_out_where_a_text_is_cut_off() -> None:
    for text in ('{"a": "x\\u', '{"a": "x\\u00', '{"a": "x\\u00e'):
        assert next(loose_json.find(text)) == {"a": "x"}
    assert next(loose_json.find('{"a": "x\\u00e9')) == {"a": "xé"}
