"""Handles: what a script holds of a host object, and what becomes of it when it is dropped."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llmspell
from llmspell.engines import engine
from llmspell.engines.base import Answer, Done, Signature
from llmspell.host.agents.agent import Agent
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.limits import Limits
from llmspell.runtime.gate import Gate
from llmspell.runtime.run import Run
from llmspell.runtime.session import Session
from llmspell.spells.program import Program
from llmspell.testing.servers import ModelServer

ENGINES = ["lua54", "lua55", "luajit"]
WORLDS = [(name, "none") for name in ENGINES] + [("lua54", "process")]
ROBOTS = {
    "robot.get": Signature(),
    "robot.greet": Signature(("robot",), "robot"),
}
ROBOT = b'{"\\u0000handle":["robot",7]}'


class Game:
    """One program against an isolate whose calls the test answers."""

    def __init__(self, name: str, source: str) -> None:
        chosen = engine(name)
        self.isolate = chosen.isolate(ROBOTS, Limits())
        self.dropped: list[tuple[int, int]] = []
        self.answer = self.took(self.isolate.run(1, chosen.compile(source, "spell"), b"{}"))

    def took(self, answer: Answer) -> Answer:
        self.dropped += answer.dropped
        return answer

    def give(self, value: bytes) -> Answer:
        """Answers the one call there is."""
        (call,) = self.answer.calls
        self.answer = self.took(self.isolate.resume(call.id, value))
        return self.answer

    def result(self) -> bytes:
        assert isinstance(self.answer, Done)
        (ended,) = self.answer.ended
        assert ended.error is None
        return ended.value


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_same_handle_is_the_same_value_and_key(name: str) -> None:
    game = Game(name, """
        local a, b = robot.get(), robot.get()
        local c = robot.get()
        local seen = {[a] = "seen"}
        return {a == b, rawequal(a, b), seen[b], a == c, tostring(a), tostring(c)}
    """)  # fmt: skip
    game.give(ROBOT)
    game.give(ROBOT)
    game.give(b'{"\\u0000handle":["robot",8]}')
    assert game.result() == b'[true,true,"seen",false,"robot#7","robot#8"]'


def test_a_handle_is_read_only(name: str) -> None:
    game = Game(name, """
        local r = robot.get()
        local told = {}
        for i, write in ipairs({
          function() r.x = 1 end, function() rawset(r, "x", 1) end, function() r.greet = print end,
          function() setmetatable(r, {}) end,
        }) do
          told[i] = select(2, pcall(write))
        end
        return {told, r.x == nil, rawget(r, "x") == nil, getmetatable(r), next(r) == nil}
    """)  # fmt: skip
    game.give(ROBOT)
    told, *rest = json.loads(game.result())
    assert rest == [True, True, False, True]
    assert [text.partition(": ")[2] for text in told[:3]] == [
        "cannot set x: a handle is read-only",
        "cannot set x: a handle is read-only",
        "cannot set greet: a handle is read-only",
    ]
    assert "metatable" in told[3]


def test_a_handle_that_is_dropped_is_told_with_how_often_it_came(name: str) -> None:
    game = Game(name, """
        do local a, b = robot.get(), robot.get() end
        collectgarbage() collectgarbage()
        robot.get()
        local kept = robot.get()
        collectgarbage() collectgarbage()
        robot.get()
        return kept:greet()
    """)  # fmt: skip
    game.give(ROBOT)
    game.give(ROBOT)
    assert game.dropped == [(7, 2)]
    game.give(b'{"\\u0000handle":["robot",8]}')
    game.give(b'{"\\u0000handle":["robot",9]}')
    assert sorted(game.dropped) == [(7, 2), (8, 1)]
    game.give(b"null")
    game.give(b"null")
    assert sorted(game.dropped) == [(7, 2), (8, 1)]


def test_a_handle_that_comes_when_nobody_waits_is_told_too(name: str) -> None:
    game = Game(name, """
        local p = async(robot.get)
        robot.get()
        p:cancel()
        robot.get()
        collectgarbage() collectgarbage()
        robot.get()
    """)  # fmt: skip
    program, task = game.answer.calls
    (second,) = game.took(game.isolate.resume(program.id, b"null")).calls
    game.took(game.isolate.resume(task.id, ROBOT))
    (third,) = game.took(game.isolate.resume(second.id, b"null")).calls
    game.answer = game.took(game.isolate.resume(third.id, b"null"))
    assert game.result() == b"null"
    assert game.dropped == [(7, 1)]


# Through a session.


def open_at_most(source: str, engine: str, isolation: str, **given: Any) -> tuple[Any, int, int]:
    """Runs a spell: its result, the most host objects that were open, and how many at the end."""

    async def main() -> tuple[Any, int, int]:
        limits = {"time": 120, "calls": None}
        async with Session(engine=engine, isolation=isolation, limits=limits, **given) as session:
            run = Run(session, Program(source, "spell"), {}, {})
            most, adopt = 0, Gate.adopt

            def counted(gate: Gate, *args: Any) -> Any:
                nonlocal most
                handle = adopt(gate, *args)
                most = max(most, len(gate._handles))
                return handle

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Gate, "adopt", counted)
                try:
                    result = await run.attempt()
                    left = len(run.gate._handles)
                finally:
                    await run.close()
            assert result.error is None, result.error
            return result.value, most, left

    return asyncio.run(main())


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
@pytest.mark.parametrize("make", ["agent.create(options)", "llm.stream('x', options)"])
def test_ten_thousand_that_are_dropped_stay_few(make: str, world: tuple[str, str]) -> None:
    source = f"""
        local options = {{model = "test/offline"}}
        for i = 1, 10000 do local a = {make} end
        return "made"
    """
    value, most, _ = open_at_most(source, *world)
    assert value == "made"
    assert most < 2500


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
def test_a_large_heap_does_not_hide_what_is_dropped(world: tuple[str, str]) -> None:
    source = """
        local kept = {}
        for i = 1, 200000 do kept[i] = {i} end
        for i = 1, 6000 do local a = agent.create({model = "test/offline"}) end
        return #kept
    """
    value, most, _ = open_at_most(source, *world)
    assert value == 200000
    assert most < 4500


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
def test_what_is_held_stays(world: tuple[str, str]) -> None:
    source = """
        local agents = {}
        for i = 1, 1500 do agents[i] = agent.create({model = "test/offline"}) end
        collectgarbage()
        local said = agents[1]:run("hi").content
        return {agents[1500]:run("hi").content == said, #agents}
    """
    value, most, left = open_at_most(source, *world)
    assert value == [True, 1500]
    assert (most, left) == (1500, 1500)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.mark.parametrize("world", WORLDS, ids=" ".join)
def test_a_stream_whose_loop_was_left_closes_its_connection(
    server: ModelServer, world: tuple[str, str]
) -> None:
    """The script drops it; the run goes on, and the connection is closed nevertheless."""
    source = """
        do
          for piece in llm.stream(("several words "):rep(50000)) do break end
        end
        local before = params.open()
        collectgarbage() collectgarbage()
        for i = 1, 400 do
          sleep(0.01)
          if params.open() == 0 then break end
        end
        return {before, params.open()}
    """.replace("params.open()", "tonumber(fs.read('open'))")
    chosen, isolation = world
    local = ProviderSettings("openai_compatible", server.url + "/v1")

    async def main(folder: str) -> Any:
        async def watch() -> None:
            while True:
                path.write_text(str(server.open_connections))
                await asyncio.sleep(0.005)

        path = Path(folder) / "open"
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0.01)
        try:
            async with Session(
                engine=chosen, isolation=isolation, model="local/echo", folder=folder,
                settings=Settings(providers={"local": local}), limits={"time": 60},
            ) as session:  # fmt: skip
                return (await session.run(source)).value
        finally:
            watching.cancel()

    with tempfile.TemporaryDirectory() as folder:
        before, after = asyncio.run(main(folder))
    assert (before, after) == (1, 0)


def test_memory_does_not_grow_with_what_was_dropped() -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(thing, Agent) for thing in gc.get_objects())

    counts: list[int] = []
    source = """
        for i = 1, 4000 do local a = agent.create({model = "test/offline"}) end
        collectgarbage() collectgarbage()
        sleep(0)
        print("look")
        return 1
    """
    session = llmspell.Session(
        limits={"calls": None, "time": 60}, output=lambda text: counts.append(alive())
    )
    assert session.run_sync(source).value == 1
    assert counts
    assert counts[0] < 50
