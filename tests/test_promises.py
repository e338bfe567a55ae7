"""Promises keep the rules of Promises/A+, on every engine, and streams hold their model back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import llmspell
from llmspell.host.llm.streams import PIECES_AHEAD, ModelStream
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.testing.servers import ModelServer

RULES = Path(__file__).parent / "promises" / "rules.lua"

KEPT = {
    "2.1.1.1", "2.1.2.1", "2.1.2.2", "2.1.3.1", "2.1.3.2", "2.2.1.1", "2.2.1.2", "2.2.2.1",
    "2.2.2.2", "2.2.2.3", "2.2.3.1", "2.2.3.2", "2.2.3.3", "2.2.4", "2.2.5", "2.2.6.1",
    "2.2.6.2", "2.2.7", "2.2.7.1", "2.2.7.2", "2.2.7.3", "2.2.7.4", "2.3.1", "2.3.2.1",
    "2.3.2.2", "2.3.2.3", "2.3.3.1", "2.3.3.2", "2.3.3.3", "2.3.3.3.1", "2.3.3.3.2",
    "2.3.3.3.3", "2.3.3.3.4.1", "2.3.3.3.4.2", "2.3.3.4", "2.3.4",
}  # fmt: skip
"""Every rule of sections 2.1 to 2.3 that asks for something by itself. Those left out are heads of
others (2.2.1, 2.2.2, 2.2.3, 2.2.6, 2.3.2, 2.3.3, 2.3.3.3.4 and the like)."""

WORLDS = [("lua54", "none"), ("lua55", "none"), ("luajit", "none"), ("lua54", "process")]


@cache
def outcomes(engine: str, isolation: str) -> dict[str, str]:
    session = llmspell.Session(engine=engine, isolation=isolation, limits={"time": 60})
    told = session.run_sync(RULES).value
    return {case["name"]: case["outcome"] for case in told}


def names() -> list[str]:
    text = RULES.read_text()
    return [line.split('"')[1] for line in text.split("\n") if line.startswith('case("')]


def test_every_rule_has_a_case() -> None:
    assert {name.split()[0] for name in names()} == KEPT


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
@pytest.mark.parametrize("name", names())
def test_rule(name: str, world: tuple[str, str]) -> None:
    assert outcomes(*world)[name] == "holds"


# Streams. -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
def test_a_slow_consumer_bounds_what_the_host_keeps(
    server: ModelServer, world: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model would say three thousand words at once; the host takes no more than it may keep."""
    most = 0
    keep = ModelStream._keep

    async def counted(self: ModelStream, piece: str) -> None:
        nonlocal most
        await keep(self, piece)
        most = max(most, len(self._pieces))

    monkeypatch.setattr(ModelStream, "_keep", counted)
    source = """
        local pieces, words = 0, 0
        for piece in llm.stream(("ab "):rep(3000)) do
          pieces = pieces + 1
          for _ in piece:gmatch("%S+") do words = words + 1 end
          if pieces < 10 then sleep(0.02) end
        end
        return {pieces >= 3001 / 64, words}
    """
    engine, isolation = world
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    session = llmspell.Session(
        engine=engine, isolation=isolation, model="local/echo", limits={"time": 60},
        settings=Settings(providers={"local": local}),
    )  # fmt: skip
    assert session.run_sync(source).value == [True, 3001]
    assert 0 < most <= PIECES_AHEAD


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
def test_a_cancelled_promise_takes_its_call_back(
    server: ModelServer, world: tuple[str, str]
) -> None:
    """Cancelling the end of a chain closes the connection of the call at its beginning."""
    source = """
        local function ask() return llm.generate("hi", {model = "local/slow-5000"}) end
        local inner = async(ask)
        local outer = async(function() return await(inner) end)
        local shown = outer:next(print)
        sleep(0.3)
        shown:cancel()
        return {inner:done(), outer:done()}
    """
    engine, isolation = world
    local = ProviderSettings("openai_compatible", server.url + "/v1")

    async def main() -> None:
        async with llmspell.Session(
            engine=engine, isolation=isolation, limits={"time": 60},
            settings=Settings(providers={"local": local}),
        ) as session:  # fmt: skip
            before = server.count()
            result = await session.run(source)
            assert result.value == [True, True]
            assert server.count() == before + 1
            assert result.usage.seconds < 4.5
        for _ in range(500):
            if server.open_connections == 0:
                break
            await asyncio.sleep(0.01)
        assert server.open_connections == 0

    asyncio.run(main())


@pytest.mark.parametrize("engine", ["lua54", "lua55", "luajit"])
def test_a_chain_of_a_hundred_thousand_handlers(engine: str) -> None:
    source = """
        local p = promise.resolve(0)
        for i = 1, 100000 do p = p:next(function(v) return v + 1 end) end
        return p:await()
    """
    session = llmspell.Session(engine=engine, limits={"time": 120})
    assert session.run_sync(source).value == 100_000


def test_a_promise_costs_a_program_that_does_not_chain_nothing() -> None:
    """Handlers and the library `promise` are a part of their own."""
    plain = llmspell.run_sync("return await(async(function() return 1 end))").usage.memory
    chained = llmspell.run_sync("return async(function() return 1 end):next():await()").usage.memory
    assert plain + 5000 < chained
