"""Workflows: what the conformance table cannot show: what stays behind, replay, memory, files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmspell import Session
from llmspell.errors import (
    BadArgument,
    BudgetExceeded,
    CallLimit,
    MemoryLimit,
    StepLimit,
    TimeLimit,
)
from llmspell.host.settings import ProviderSettings, Settings
from llmspell.host.workflows.pictures import mermaid
from llmspell.host.workflows.records import weight
from llmspell.host.workflows.steps import read
from llmspell.runtime.checkpoint import Checkpoint
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


def test_a_replay_knows_a_pool_in_a_step(server: ModelServer, tmp_path: Path) -> None:
    source = (
        "local p = llm.pool.create('p', {'local/fail-500', 'local/echo'}) "
        "return workflow.create { steps = { { id = 'a', prompt = 'x', model = p }, "
        "{ id = 'b', agent = { model = p }, input = 'y' } } }:run().outputs"
    )
    kept = tmp_path / "calls"
    first = run(source, server, record=kept)
    before = server.count()
    again = run(source, server, replay=kept)
    assert again.value == first.value == {"a": "echo: x", "b": "echo: y"}
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


def test_the_failure_of_a_step_hides_no_limit_of_another(server: ModelServer) -> None:
    for type in ("parallel", "graph"):
        source = f"""
        local w = workflow.create {{ type = "{type}", steps = {{
          {{ id = "a", tool = "nowhere" }}, {{ id = "b", prompt = "hello there" }} }} }}
        pcall(w.run, w)
        print("caught")
        """
        with pytest.raises(BudgetExceeded) as caught:
            run(source, server, limits={"tokens": 1})
        assert caught.value.result.output == ""  # type: ignore[attr-defined]


def test_each_item_of_a_map_is_agreed_to_for_itself(server: ModelServer) -> None:
    source = """
    local w = workflow.create { over = {1, 2, 3},
      map = { id = "ask", approval = "{{item}}?", on_error = { fallback = "no" } } }
    local running = async(function() return w:run().output end)
    local function decide(yes)
      repeat local ok = pcall(w.approve, w, "ask", yes) sleep(0.001) until ok
    end
    decide(true) decide(false) decide(true)
    local got = await(running)
    return { got[1].approved, got[2], got[3].approved, (pcall(w.approve, w, "ask")) }
    """
    assert run(source, server).value == [True, "no", True, False]


def test_it_can_be_cancelled_when_it_has_just_started(server: ModelServer) -> None:
    source = """
    local ran, seen = false, {}
    local w = workflow.create { steps = { { id = "a", call = function() ran = true end } } }
    local ok, e = pcall(w.run, w, { on_event = function(event)
      seen[#seen + 1] = event.type
      if event.type == "workflow_started" then w:cancel() end
    end })
    return { e.code, ran, w:status().status, seen }
    """
    told = ["workflow_started", "workflow_cancelled"]
    assert run(source, server).value == ["cancelled", False, "cancelled", told]


def test_a_pause_is_told_once(server: ModelServer) -> None:
    source = """
    local seen = {}
    local w = workflow.create { type = "parallel", max_parallel = 2, steps = {
      { id = "a", wait = 0.01 }, { id = "b", wait = 0.01 }, { id = "c", wait = 0 },
      { id = "d", wait = 0 } } }
    local running = async(function()
      w:run { on_event = function(e) if e.type:match("^workflow") then seen[#seen + 1] = e.type end end }
    end)
    sleep(0.005)
    w:pause()
    sleep(0.03)
    w:resume()
    await(running)
    return seen
    """  # noqa: E501
    states = ["started", "paused", "resumed", "completed"]
    assert run(source, server).value == [f"workflow_{state}" for state in states]


def test_what_a_run_leaves_in_variables_counts_as_memory(server: ModelServer) -> None:
    source = """
    local kept = {}
    for i = 1, 40 do
      kept[i] = workflow.create { variables = { big = "" }, steps = {
        { id = "a", call = function() return ("x"):rep(1000000) end, save_as = "big" } } }
      kept[i]:run()
      collectgarbage() collectgarbage()
      print(i)
    end
    """
    with pytest.raises(MemoryLimit) as caught:
        run(source, server, limits={"memory": "32MB"})
    assert caught.value.result.output.count("\n") in range(20, 32)  # type: ignore[attr-defined]


def test_events_that_nobody_takes_count_as_memory(server: ModelServer) -> None:
    source = """
    local w = workflow.create { type = "loop", max_iterations = 60, steps = {
      { id = "a", call = function() return ("x"):rep(2000000) end } } }
    local events = w:stream()
    events:next()
    sleep(0.5)
    pcall(function() for _ in events do end end)
    """
    with pytest.raises(MemoryLimit):
        run(source, server, limits={"memory": "32MB"})


def test_the_input_counts_to_what_a_workflow_holds(server: ModelServer) -> None:
    source = """
    local w = workflow.create { steps = {
      { id = "a", call = function() return ("x"):rep(9000000) end } } }
    local ok, e = pcall(w.run, w, { input = ("x"):rep(9000000) })
    return e.code
    """
    assert run(source, server).value == "too_large"


def test_a_large_graph_does_not_look_at_every_need_after_every_step(server: ModelServer) -> None:
    def taken(size: int) -> float:
        source = f"""
        local steps = {{}}
        for i = 1, {size} do
          local needs = {{}}
          for j = math.max(1, i - 40), i - 1 do needs[#needs + 1] = "s" .. j end
          steps[i] = {{ id = "s" .. i, set = {{}}, needs = needs }}
        end
        workflow.create({{ type = "graph", steps = steps }}):run()
        """
        began = process_time()
        run(source, server)
        return process_time() - began

    taken(10)
    # Four times the steps; what looked at every need after every step would take 64 times as long.
    assert taken(800) < 25 * max(taken(200), 0.2)


def test_what_a_function_is_told_does_not_depend_on_which_is_faster(server: ModelServer) -> None:
    source = """
    local function names(given)
      local found = {}
      for name in pairs(given.outputs) do found[#found + 1] = name end
      table.sort(found)
      return table.concat(found, " ")
    end
    local w = workflow.create { steps = {
      { id = "first", set = {} },
      { id = "both", type = "parallel", steps = {
        { id = "fast", set = {} }, { id = "late", steps = { { id = "w", wait = 0.02 },
                                                            { id = "told", call = names } } } } },
      { id = "net", type = "graph", steps = {
        { id = "g1", set = {} }, { id = "g2", wait = 0.01 },
        { id = "g3", call = names, needs = { "g2" } } } },
      { id = "last", call = names },
    } }
    local r = w:run().outputs
    return { r.told, r.g3, r.last }
    """
    assert run(source, server).value == [
        "first",
        "both fast first late told",
        "both fast first g1 g3 late net told",
    ]


PARALLEL = """
local seen = {}
local w = workflow.create { type = "parallel", steps = {
  { id = "a", steps = {
    { id = "a1", wait = 0.03, timeout = 5 },
    { id = "a2", call = function() seen[#seen + 1] = "a2" sleep(0.01) return "A" end } } },
  { id = "b", wait = 0.02, timeout = 0.02, on_error = "continue" },
  { id = "c", prompt = "same", retries = 1 }, { id = "d", prompt = "same" },
  { id = "m", over = { 1, 2, 3 }, max_parallel = 2, map = { id = "n", prompt = "n{{item}}" } },
  { id = "g", steps = { { id = "g1", wait = 0.01 }, { id = "g2", wait = 0, needs = { "g1" } } } },
} }
local r = w:run { on_event = function(e) seen[#seen + 1] = e.type .. (e.step or "") end }
sleep(0.001)
table.sort(seen)
return { r.outputs.a, r.outputs.c, r.outputs.m, #seen }
"""


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_checkpoint_goes_on_where_steps_run_at_the_same_time(
    server: ModelServer, isolation: str
) -> None:
    local = ProviderSettings("openai_compatible", server.url + "/v1")
    options: dict[str, Any] = {"settings": Settings(providers={"local": local})}
    options |= {"model": "local/echo", "isolation": isolation}

    async def ran(lines: list[str]) -> tuple[Any, list[str]]:
        async with Session(**options) as session:
            running = session.restore(Checkpoint(lines)) if lines else session.start(PARALLEL)
            return (await running.result()).value, running.checkpoint().lines

    value, lines = asyncio.run(ran([]))
    asked = [line for line in lines if '"llm.generate"' in line]
    assert len(asked) == 5
    for size in range(1, len(lines) + 1, 1 if isolation == "none" else 5):
        before = server.count()
        again, _ = asyncio.run(ran(lines[:size]))
        assert again[:3] == value[:3], f"from line {size}: {lines[size - 1]}"
        made = server.count() - before
        assert made == 5 - sum(line in asked for line in lines[:size]), f"from line {size}"


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


def test_a_rule_for_a_tool_holds_in_a_step(server: ModelServer) -> None:
    source = """
    local w = workflow.create { steps = {
      { id = "a", tool = "calculator", args = { expression = "1+1" }, retries = 2 } } }
    local ok, e = pcall(w.run, w)
    return { e.code, w:status().steps[1].attempts }
    """
    asked: list[str] = []

    def approve(*given: Any) -> bool:
        asked.append(str(given))
        return False

    code, attempts = run(source, server, tool_rules={"*": "ask"}, approve=approve).value
    assert (code, attempts, len(asked)) == ("denied", 1, 1)
    assert run(source, server, tool_rules={"calc*": "deny"}).value[0] == "denied"
