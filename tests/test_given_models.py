"""Models of pydantic-ai that a program gives its session, under names of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from llmspell import LlmspellError, Session, UsageError
from llmspell.host.settings import Settings
from llmspell.testing import scripted
from llmspell.testing.servers import ModelServer

HELLO = FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart("hello")]))


async def asked(source: str, names: dict[str, str], url: str, **options: Any) -> Any:
    """What a spell gives that has models of an OpenAI-compatible server under names."""
    async with AsyncOpenAI(
        base_url=f"{url}/v1", api_key="the-programs-own", max_retries=0
    ) as client:
        provider = OpenAIProvider(openai_client=client)
        models = {name: OpenAIChatModel(model, provider=provider) for name, model in names.items()}
        async with Session(settings=Settings(), models=models, **options) as session:
            return (await session.run(source)).value


def spell(source: str, **options: Any) -> Any:
    return Session(**{"settings": Settings(), **options}).run_sync(source).value


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_spell_asks_the_programs_model_by_its_name(isolation: str) -> None:
    source = """
        local large = { model = "acme/large" }
        local whole, pieces = llm.complete({ prompt = "one two", model = "acme/large" }), {}
        for piece in llm.stream("one two", large) do pieces[#pieces + 1] = piece end
        local agent = agent.create({ model = "acme/tools", tools = { "calculator" } })
        return {
          whole.content, whole.model, whole.cost == nil, table.concat(pieces),
          llm.generate("x"), #agent:run("6 * 7").content > 0,
        }
    """
    names = {"acme/large": "echo", "acme/tools": "tools"}
    with ModelServer() as server:
        given = asyncio.run(
            asked(source, names, server.url, model="acme/large", isolation=isolation)
        )
        assert server.requests[0].headers["authorization"] == "Bearer the-programs-own"
    assert given == ["echo: one two", "acme/large", True, "echo: one two", "echo: x", True]


def test_its_failures_are_told_as_those_of_any_other() -> None:
    source = """
        local out = {}
        for i, name in ipairs({ "acme/full", "acme/none" }) do
          local ok, e = pcall(llm.generate, "x", { model = name })
          out[i] = { e.code, e.retryable == true, e.message }
        end
        return out
    """
    names = {"acme/full": "rate-limit", "acme/none": "nothing"}
    with ModelServer() as server:
        full, none = asyncio.run(asked(source, names, server.url))
    assert full == ["rate_limited", True, "acme allows no more requests now: try again in 1 s"]
    assert none[:2] == ["model_unknown", False]
    source = 'llm.generate("x", { model = "acme/x" })'
    with pytest.raises(LlmspellError, match=r"acme at its address \(see models of the Session\)"):
        asyncio.run(asked(source, {"acme/x": "x"}, "http://127.0.0.1:1"))


def test_grants_and_budgets_hold_for_it() -> None:
    source = 'return llm.generate("x", { model = "acme/large" })'
    with pytest.raises(LlmspellError, match="no grant for llm"):
        spell(source, models={"acme/large": HELLO}, level="untrusted")
    with pytest.raises(LlmspellError, match="price of acme/large is unknown"):
        spell(source, models={"acme/large": HELLO}, limits={"cost": 1})
    with pytest.raises(LlmspellError, match="budget limit of 1 tokens"):
        spell(source, models={"acme/large": HELLO}, limits={"tokens": 1})


def test_the_models_of_the_program_are_listed() -> None:
    source = """
        local out = {}
        for i, model in ipairs(llm.models()) do out[i] = { model.name, model.default } end
        return out
    """
    models = {"acme/large": HELLO, "openai/*": HELLO, "quick": scripted("x")}
    given = spell(source, models=models, model="acme/large")
    assert given == [["acme/large", True], ["mock/quick", False], ["test/offline", False]]


def test_a_pattern_gives_it_for_a_provider_whose_prices_are_known() -> None:
    source = 'return llm.complete({ prompt = "x", model = "openai/gpt-4o" })'
    reply = spell(source, models={"openai/*": HELLO})
    assert (reply["content"], reply["model"]) == ("hello", "openai/gpt-4o")
    assert reply["cost"] > 0


@pytest.mark.parametrize(
    ("name", "model", "told"),
    [
        ("large", HELLO, "models['large']: a model of pydantic-ai needs a name like 'acme/large'"),
        ("*", HELLO, "models['*']: a model of pydantic-ai needs a name like 'acme/large'"),
        ("mock/x", HELLO, "models['mock/x']: a model of pydantic-ai needs a name"),
        ("acme/x", ["hello"], "models['acme/x'] must be a model of pydantic-ai or a double"),
        ("acme/x", "openai:gpt-4o", "got str"),
    ],
)
def test_what_is_no_model_is_refused_when_it_is_given(name: str, model: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        Session(models={name: model})
    assert told in str(caught.value)
