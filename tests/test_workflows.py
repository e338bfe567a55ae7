"""Workflows: what the conformance table cannot show: what stays behind, replay, memory, files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell import Session
from llmspell.errors import BadArgument, CallLimit, StepLimit, TimeLimit
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.host.workflows.pictures import mermaid
from llmspell.host.workflows.records import weight
from llmspell.host.workflows.steps import read
from llmspell.runtime.run import Run
from llmspell.spells.program import Program
from llmspell.testing.servers import ModelServer


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def run(source: str, server: ModelServer, **more: Any) -> Any:
    local = ProviderSettings("openai_compatible", server.url + "/v1")

    async def main() -> Any:
        chosen = Settings(providers={"local": local})
        async with Session(**{"settings": chosen, "model": "local/echo", **more}) as session:
            result = await session.run(source)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(main())


RECORDED = """
local n = 0
local w = workflow.create { steps = {
  { id = "all", over = { "a", "b", "c" },
    map = { id = "one", prompt = "{{item}}", model = "local/echo" } },
  { id = "late", wait = 0.3, timeout = 0.05, on_error = { fallback = "late" } },
  { id = "own", call = function(given) n = n + 1 print("own", n) return given.outputs.one[2] end },
  { id = "last", prompt = "{{own.output}} {{late.output}}" },
} }
local r = w:run()
return { r.output, r.outputs.one }
"""


def test_a_replay_takes_every_turn_without_the_calls(server: ModelServer, tmp_path: Path) -> None:
    kept = tmp_path / "calls"
    first = run(RECORDED, server, record=kept)
    assert first.value == ["echo: echo: b late", ["echo: a", "echo: b", "echo: c"]]
    before = server.count()
    again = run(RECORDED, server, replay=kept)
    assert (again.value, again.output) == (first.value, first.output)
    assert first.output == "own\t1\n"
    assert server.count() == before


def test_a_checkpoint_goes_on_inside_a_workflow(server: ModelServer) -> None:
    source = """
    local w = workflow.create { steps = {
      { id = "a", prompt = "one" }, { id = "b", wait = 2 },
      { id = "c", prompt = "{{a.output}} two" },
    } }
    return w:run().output
    """
    local = ProviderSettings("openai_compatible", server.url + "/v1")

    async def main() -> Any:
        chosen = Settings(providers={"local": local})
        before = server.count()
        async with Session(settings=chosen, model="local/echo") as session:
            running = session.start(source)
            while server.count() == before:
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)
            checkpoint = running.checkpoint()
            await running.cancel()
        asked = server.count()
        async with Session(settings=chosen, model="local/echo") as session:
            restored = session.restore(checkpoint)
            result = await restored.result()
        return result.value, server.count() - asked

    assert asyncio.run(main()) == ("echo: echo: one two", 1)


def test_memory_that_a_run_held_is_given_back(server: ModelServer) -> None:
    source = """
    for i = 1, 40 do
      local w = workflow.create { steps = {
        { id = "a", call = function() return ("x"):rep(1000000) end } } }
      w:run()
      collectgarbage()
    end
    collectgarbage()
    sleep(0)
    """

    async def main() -> int:
        async with Session() as session:
            work = Run(session, Program(source, "spell.lua"), {}, {"memory": "16MB"})
            try:
                result = await work.attempt()
                assert result.error is None
                return work.driver.meter.held_bytes
            finally:
                await work.close()

    assert asyncio.run(main()) < 20_000


@pytest.mark.parametrize(
    ("limits", "error", "step"),
    [
        ({"time": 0.3}, TimeLimit, "{id = 'a', wait = 60}"),
        ({"steps": 100_000}, StepLimit, "{id = 'a', call = function() while true do end end}"),
        ({"calls": 50}, CallLimit, "{id = 'a', over = list, map = {id = 'm', wait = 0}}"),
        ({"time": 0.5}, TimeLimit, "{id = 'a', approval = 'Yes?'}"),
    ],
)
def test_a_limit_ends_what_a_workflow_does(
    limits: dict[str, Any], error: type[Exception], step: str, server: ModelServer
) -> None:
    source = f"""
    local list = {{}}
    for i = 1, 200 do list[i] = i end
    pcall(function() workflow.create({{ steps = {{ {step} }} }}):run() end)
    print("caught")
    """
    with pytest.raises(error) as caught:
        run(source, server, limits=limits)
    assert caught.value.result.output == ""  # type: ignore[attr-defined]


def test_the_first_failure_ends_what_runs_beside_it(server: ModelServer) -> None:
    source = """
    local done = false
    local w = workflow.create { type = "parallel", steps = {
      { id = "bad", call = function() sleep(0.05) error("bad", 0) end },
      { id = "slow", steps = {
        { id = "wait", wait = 30 }, { id = "after", call = function() done = true end } } },
    } }
    local ok, e = pcall(w.run, w)
    return { e.message, done, w:status().steps[4].status }
    """
    assert run(source, server).value == ["the step bad failed: bad", False, "pending"]


def test_no_more_run_at_the_same_time_than_asked_for(server: ModelServer) -> None:
    source = """
    local now, most = 0, 0
    local list = {}
    for i = 1, 20 do list[i] = i end
    workflow.create({ over = list, max_parallel = 3, map = { id = "m", call = function()
      now = now + 1
      most = math.max(most, now)
      sleep(0.005)
      now = now - 1
    end } }):run()
    return most
    """
    assert run(source, server).value == 3


def test_a_script_that_drops_its_workflow_ends_its_stream(server: ModelServer) -> None:
    source = """
    local ran = 0
    local events = workflow.create({ steps = {
      { id = "a", wait = 0.05 }, { id = "b", call = function() ran = ran + 1 end } } }):stream()
    events:next()
    events = nil
    collectgarbage() collectgarbage()
    sleep(0.2)
    return ran
    """
    assert run(source, server).value == 0


# Reading and drawing.


PLAN = {
    "type": "graph",
    "steps": [
        {"id": "end", "needs": ["b"], "wait": 0},
        {"id": "a", "wait": 0},
        {"id": "b", "prompt": "{{a.output}}"},
    ],
}


def test_templates_are_needs_of_a_graph() -> None:
    steps = read(PLAN, {}, lambda handle: None).steps
    assert {id: step.needs for id, step in steps.items()} == {"end": ("b",), "a": (), "b": ("a",)}


def test_the_picture_has_each_step_and_arrow_once() -> None:
    drawn = mermaid(read(PLAN, {}, lambda handle: None), {})
    assert re.findall(r"(s_\w+) --> (s_\w+)", drawn) == [("s_b", "s_end"), ("s_a", "s_b")]
    assert sorted(re.findall(r"(s_\w+)\[", drawn)) == ["s_a", "s_b", "s_end"]


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_out_of_a_picture(text: str) -> None:
    plan = read({"steps": [{"id": "a", "wait": 0, "description": text}]}, {}, lambda handle: None)
    lines = mermaid(plan, {}).splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r'    s_a\["<b>a</b><br/>[^"<>\[\]{}()|]*"\]', lines[1])


THINGS = st.recursive(
    st.none() | st.booleans() | st.integers()
    | st.sampled_from(["{{a.output}}", "a", "{{", "fail"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "steps", "prompt", "wait", "needs", "type", "map", "over", "when",
                         "branches", "value", "equals", "all", "call", "agent", "set", "schema",
                         "args", "tool", "until", "on_error", "fallback", "variables"]),
        inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["steps", "type", "branches", "map", "variables"]), THINGS))
@settings(max_examples=500, deadline=None)
def test_no_definition_is_too_odd(data: dict[str, Any]) -> None:
    try:
        plan = read(data, {}, lambda handle: None)
    except BadArgument as error:
        assert error.message
    else:
        assert mermaid(plan, {})


def test_the_weight_of_a_value_grows_with_it() -> None:
    assert weight("x" * 1000) < 1100
    assert weight([["x" * 10] * 100] * 10) > 10_000


# The page.


def test_the_examples_of_the_page_run(server: ModelServer, tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "workflows.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)
    assert [language for language, _ in blocks] == ["lua", "yaml", "lua", "lua"]
    (tmp_path / "research.yaml").write_text(blocks[1][1], encoding="utf-8")
    offline = {"folder": tmp_path, "model": "test/offline"}
    assert run(blocks[0][1], server, **offline).output == "a\t1\n"
    told = run(blocks[2][1], server, **offline).output
    assert "step_completed\treport\n" in told
    assert "[offline test model] " in told
    assert "s_report[" in told
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "count.ts").write_text("print('in'); export default params.text.length")
    assert run(blocks[3][1], server, **offline).output.startswith("3\tin\n")
